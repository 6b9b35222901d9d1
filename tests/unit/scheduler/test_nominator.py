"""Who is expected where."""

from tests.unit.scheduler import objects

from pybernetes.scheduler.nominator import Nominator


def names(nominations: Nominator, node: str) -> list[str]:
    """Pods expected on a node."""
    return [one.pod.metadata.name for one in nominations.for_node(node)]


def test_by_decision_or_by_status() -> None:
    nominations = Nominator()
    nominations.add(objects.info("a"), "n1")
    nominations.add(objects.info("b", status={"nominatedNodeName": "n2"}))
    nominations.add(objects.info("c"))
    assert (names(nominations, "n1"), names(nominations, "n2"), len(nominations)) == (["a"], ["b"], 2)
    nominations.add(objects.info("a"), "n2")
    assert (names(nominations, "n1"), names(nominations, "n2")) == ([], ["b", "a"])
    nominations.add(objects.info("b", status={"nominatedNodeName": "n2"}), "")
    assert names(nominations, "n2") == ["a"]


def test_a_decision_outlives_updates_that_do_not_know_of_it_yet() -> None:
    nominations = Nominator()
    nominations.add(objects.info("a"), "n1")
    nominations.update(objects.pod("a"), objects.info("a", labels={"x": "y"}))
    assert nominations.node_of("a") == "n1"
    nominations.update(objects.pod("a"), objects.info("a", status={"nominatedNodeName": "n2"}))
    assert nominations.node_of("a") == "n2"
    nominations.update(objects.pod("a", status={"nominatedNodeName": "n2"}), objects.info("a"))
    assert nominations.node_of("a") == ""


def test_bound_or_deleted_pods_are_not_nominated() -> None:
    known = {("default", "bound"): objects.pod("bound", node="n1"), ("default", "here"): objects.pod("here")}
    nominations = Nominator(lambda namespace, name: known.get((namespace, name)))
    for name in ("bound", "here", "gone"):
        nominations.add(objects.info(name), "n1")
    assert names(nominations, "n1") == ["here"]

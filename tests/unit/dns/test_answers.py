"""Names mean what the DNS-based service discovery specification says."""

import pytest

from pybernetes.dns import answers

WEB = answers.Service(
    "default", "web", ("10.96.0.20",), (answers.Port("http", "TCP", 80), answers.Port("dns", "UDP", 53))
)
DB = answers.Service(
    "prod",
    "db",
    (),
    (answers.Port("pg", "TCP", 5432),),
    endpoints=(
        answers.Endpoint("10.244.1.5", "db-0", (answers.Port("pg", "TCP", 5432),)),
        answers.Endpoint("10.244.1.6", "", (answers.Port("pg", "TCP", 5432),)),
    ),
)
ALIAS = answers.Service("default", "ext", (), (), external="example.org")


@pytest.fixture
def zone() -> answers.Zone:
    made = answers.Zone("cluster.local", ["default", "prod"])
    for service in (WEB, DB, ALIAS):
        made.put(service)
    return made


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.default.svc.cluster.local", "A", ["10.96.0.20"]),
        ("web.default.svc.cluster.local", "AAAA", []),
        ("db.prod.svc.cluster.local", "A", ["10.244.1.5", "10.244.1.6"]),
        ("db-0.db.prod.svc.cluster.local", "A", ["10.244.1.5"]),
        ("10-244-1-6.db.prod.svc.cluster.local", "A", ["10.244.1.6"]),
        ("ext.default.svc.cluster.local", "A", ["example.org"]),
        ("_http._tcp.web.default.svc.cluster.local", "SRV", ["web.default.svc.cluster.local"]),
        (
            "_pg._tcp.db.prod.svc.cluster.local",
            "SRV",
            ["db-0.db.prod.svc.cluster.local", "10-244-1-6.db.prod.svc.cluster.local"],
        ),
        ("1-2-3-4.default.pod.cluster.local", "A", ["1.2.3.4"]),
        ("20.0.96.10.in-addr.arpa", "PTR", ["web.default.svc.cluster.local"]),
        ("5.1.244.10.in-addr.arpa", "PTR", ["db-0.db.prod.svc.cluster.local"]),
        ("default.svc.cluster.local", "A", []),
        ("dns-version.cluster.local", "TXT", ["1.1.0"]),
    ],
)
def test_records(zone: answers.Zone, name: str, kind: str, expected: list[str]) -> None:
    answer = zone.answer(name, kind)
    assert answer.found
    assert [record.data for record in answer.records] == expected


@pytest.mark.parametrize(
    "name",
    [
        "gone.default.svc.cluster.local",
        "web.prod.svc.cluster.local",
        "x.web.default.svc.cluster.local",
        "_none._tcp.web.default.svc.cluster.local",
        "1-2-3-4.absent.pod.cluster.local",
        "not-an-address.default.pod.cluster.local",
        "absent.svc.cluster.local",
        "other.cluster.local",
    ],
)
def test_names_that_do_not_exist(zone: answers.Zone, name: str) -> None:
    assert zone.answer(name, "A") == answers.NO_SUCH_NAME


def test_what_the_zone_owns(zone: answers.Zone) -> None:
    assert zone.owns("anything.cluster.local")
    assert zone.owns("20.0.96.10.in-addr.arpa")
    assert not zone.owns("8.8.8.8.in-addr.arpa")
    assert not zone.owns("example.org")


def test_changes_count(zone: answers.Zone) -> None:
    before = zone.generation
    zone.put(WEB)
    assert zone.generation == before
    zone.remove("default", "web")
    assert zone.generation == before + 1
    assert not zone.answer("web.default.svc.cluster.local", "A").found
    assert not zone.owns("20.0.96.10.in-addr.arpa")


def test_an_address_in_two_pieces(zone: answers.Zone) -> None:
    two = tuple(answers.Endpoint("10.244.1.7", "", (answers.Port(name, "TCP", 1),)) for name in ("a", "b"))
    zone.put(answers.Service("prod", "two", (), (), endpoints=two))
    zone.remove("prod", "two")
    assert not zone.owns("7.1.244.10.in-addr.arpa")

from hypothesis import given
from hypothesis import strategies as st

from pybernetes.apimachinery.patch import fieldset

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
SETS = st.lists(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8).map(fieldset.of)


@given(SETS, SETS)
def test_written_fields_change_as_sets_do(ours: fieldset.Set, theirs: fieldset.Set) -> None:
    written = ours.to_fields()
    assert fieldset.subtract(written, theirs) == ours.difference(theirs).to_fields()
    both = ours.union(theirs).to_fields()
    added = fieldset.add(written, theirs)
    assert (added, str(added)) == (both, str(both))
    assert written == ours.to_fields()

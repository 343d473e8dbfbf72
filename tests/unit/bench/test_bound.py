from bench.bound import in_envelopes


def test_rows_are_cut_where_the_thousands_of_objects_begin() -> None:
    rows = [("a", 1), ("b", 999), ("c", 1000), ("d", 1000), ("e", 3500)]
    parts = list(in_envelopes(rows, [key for _, key in rows]))
    assert parts == [(0, rows[:2]), (1, rows[2:4]), (3, rows[4:])]
    assert list(in_envelopes([], [])) == []

"""put, set, get, remove: one object at a time."""

from support import *

FIELDS = ["invoice=a", "at=2010-12-01 08:26", "price=2.55", "quantity=6", "country=Malta"]


def one(identity, *fields):
    return [f"id={identity}", *FIELDS, *fields]


def get(identity, path="shop.tactus"):
    [object_] = rows_json(succeed("get", path, "sale", identity, "--format", "json"))
    return object_


def test_put_inserts_and_replaces():
    create()
    succeed("put", "shop.tactus", "sale", *one(1))
    first = get(1)
    expect(first["country"] == "Malta" and first["customer"] is None, first)
    succeed("put", "shop.tactus", "sale", *one(1, "customer=9")[:-2], "country=Gozo", "customer=9")
    second = get(1)
    expect(second["country"] == "Gozo" and second["customer"] == 9, second)
    expect(second["timestamp"] == first["timestamp"], second)
    result = fail(1, "put", "shop.tactus", "sale", *one(1), "--on-exists", "error")
    expect("; " in result.err, result)
    expect(get(1) == second and count() == 1)
    expect(count(where="country = 'Malta'") == 0)
    verify()


def test_put_wants_whole_objects():
    create()
    result = fail(2, "put", "shop.tactus", "sale", *one(1)[:-1])
    expect("country" in result.err, result)
    fail(2, "put", "shop.tactus", "sale", *one(1), "id=2")
    fail(2, "put", "shop.tactus", "sale", *one(1), "nothing=2")
    fail(2, "put", "shop.tactus", "sale", *one(1), "customer")
    result = fail(1, "put", "shop.tactus", "sale", *one(1), "customer=many")
    expect("customer" in result.err and "many" in result.err, result)
    expect(count() == 0)


def test_set_changes_some_fields():
    create()
    succeed("put", "shop.tactus", "sale", *one(1, "customer=9"))
    succeed("put", "shop.tactus", "sale", *one(2))
    before = get(1)
    succeed("set", "shop.tactus", "sale", "1", "country=Côte d'Ivoire", "customer=")
    after = get(1)
    expect(after == {**before, "country": "Côte d'Ivoire", "customer": None}, after)
    expect(count(where="country = 'Malta'") == 1 and count(where="customer = 9") == 0)
    expect("there is none" in fail(1, "set", "shop.tactus", "sale", "3", "country=x").err)
    fail(2, "set", "shop.tactus", "sale", "1", "id=4")
    fail(2, "set", "shop.tactus", "sale", "1", "timestamp=4")
    fail(1, "set", "shop.tactus", "sale", "1", "country=" + "x" * 21)
    fail(1, "set", "shop.tactus", "sale", "x", "country=y")
    expect(get(1) == after)
    verify()


def test_remove_takes_away_what_is_there():
    create()
    succeed("import", "shop.tactus", "sale", given=csv(1, 200))
    succeed("remove", "shop.tactus", "sale", "5")
    fail(1, "get", "shop.tactus", "sale", "5")
    result = fail(1, "remove", "shop.tactus", "sale", "5", "6")
    expect("sale 5: there is none" in result.err, result)
    expect(count() == 198)
    succeed("remove", "shop.tactus", "sale", *range(7, 201))
    expect(count() == 4 and count(where="country = 'Germany'") == 1)
    verify()


def test_a_removed_id_may_come_back():
    create()
    succeed("put", "shop.tactus", "sale", *one(1))
    succeed("remove", "shop.tactus", "sale", "1")
    succeed("put", "shop.tactus", "sale", *one(1), "--on-exists", "error")
    expect(get(1)["timestamp"] == 2, get(1))
    verify()


def test_collections_without_an_id_go_by_timestamp():
    create("log.tactus", "collection sale {\n  line text(20)\n  count u32 optional index\n}\n")
    succeed("put", "log.tactus", "sale", "line=one")
    succeed("put", "log.tactus", "sale", "line=two", "count=2")
    expect(get(2, "log.tactus") == {"line": "two", "count": 2, "timestamp": 2})
    succeed("set", "log.tactus", "sale", "1", "line=eins")
    expect(get(1, "log.tactus") == {"line": "eins", "count": None, "timestamp": 1})
    succeed("remove", "log.tactus", "sale", "1")
    fail(1, "get", "log.tactus", "sale", "1")
    expect(count("log.tactus") == 1)
    verify("log.tactus")


def test_uuids_and_wide_ids():
    schema = "collection sale {\n  id uuid\n  n u8\n}\n"
    create("wide.tactus", schema)
    identity = "123e4567-e89b-12d3-a456-426614174000"
    succeed("put", "wide.tactus", "sale", "id=" + identity, "n=7")
    expect(get(identity, "wide.tactus")["id"] == identity)
    succeed("set", "wide.tactus", "sale", identity, "n=8")
    expect(get(identity, "wide.tactus")["n"] == 8)
    succeed("remove", "wide.tactus", "sale", identity)
    expect(count("wide.tactus") == 0)


def test_collections_that_are_not_there_are_absent():
    create()
    for words in (["get", "1"], ["remove", "1"], ["query"], ["export"], ["put", "a=1"]):
        fail(1, words[0], "shop.tactus", "nothing", *words[1:])


if __name__ == "__main__":
    main()

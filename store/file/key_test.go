package file

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyOfIsWhereKeysArePut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := keyGen().Draw(t, "key")
		names, err := encodeKey(key)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if got, err := KeyOf(strings.Join(names, "/")); got != key || err != nil {
			t.Fatalf("%q is kept as %q, which is the key %q, %v", key, names, got, err)
		}
	})
}

func TestKeyOfRefusesWhatNoKeyIsKeptAs(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"%cf+abc",     // a directory of parts
		"a/%cf+abc",   // the same further down
		"%cf+abc/b",   // no key is split so
		"%cf%plain",   // a name that needs no escape
		"a/%cf%x%2",   // no escape that we write
		"%cf%a%2500b", // "a%00b" holds no NUL
	} {
		if key, err := KeyOf(path); err == nil {
			t.Errorf("%q is the key %q, want an error", path, key)
		}
	}
}

func TestReservedPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		Reserved: true, Reserved + "/tmp/x": true, strings.ToUpper(Reserved) + "/x": true,
		Reserved + "x": false, "a/" + Reserved: false,
	} {
		if got := IsReserved(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

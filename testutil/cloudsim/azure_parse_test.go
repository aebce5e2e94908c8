package cloudsim

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// FuzzAzureBlockList: a list is refused with one of the service's answers, or
// read; what was read has only known sorts of reference.
func FuzzAzureBlockList(f *testing.F) {
	for _, s := range []string{
		"", "<BlockList/>", "<BlockList><Latest>MDAwMQ==</Latest></BlockList>",
		"<?xml version='1.0' encoding='utf-8'?><BlockList><Committed>a</Committed><Uncommitted> b\n</Uncommitted></BlockList>",
		"<BlockList><Latest><Latest>x</Latest></Latest></BlockList>", "<BlockList></BlockList><BlockList></BlockList>",
		"<a/>", "<BlockList><Latest>&lt;</Latest>", "<!DOCTYPE x [<!ENTITY e 'v'>]><BlockList><Latest>&e;</Latest></BlockList>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		refs, err := azureParseBlockList(body)
		if err != nil {
			if e, ok := errors.AsType[*azureError](err); !ok || e.status != 400 {
				t.Errorf("%v", err)
			}
			return
		}
		for _, r := range refs {
			if !slices.Contains([]string{"Committed", "Uncommitted", "Latest"}, r.from) {
				t.Errorf("reference %+v", r)
			}
		}
	})
}

// FuzzAzureNormalize: what the face stores is a fixed point, and plain names
// are left alone.
func FuzzAzureNormalize(f *testing.F) {
	for _, s := range []string{"", "a", "a/b", "./a", "a/..", "a.", `\`, "...", ".../x", "a/./b", "../../x", "//", "/.", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		once := azureNormalize(name)
		if again := azureNormalize(once); again != once {
			t.Errorf("%q became %q and then %q", name, once, again)
		}
	})
}

// TestAzureTagsNeverRecur drives one name through changes within one tick of the
// clock.
func TestAzureTagsNeverRecur(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := NewCore(func() time.Time { return now }).CreateBucket("b", false)
	seen := map[string]bool{}
	note := func(o *Object, err error) {
		t.Helper()
		if err != nil || seen[azureETag(o)] {
			t.Fatalf("tag %s recurred, or %v", azureETag(o), err)
		}
		seen[azureETag(o)] = true
	}
	for range 300 {
		note(b.Put(NewObject("k", nil), Origin{}, nil, nil))
		for range 20 {
			note(b.Update("k", Origin{}, nil, func(*Object) {}))
		}
		if _, _, err := b.Delete("k", Origin{}, false, nil); err != nil {
			t.Fatal(err)
		}
	}
}

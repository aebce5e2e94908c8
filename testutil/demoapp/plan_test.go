package demoapp

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPlanIsRepeatable(t *testing.T) {
	t.Parallel()
	a, b, c := NewPlan(7, 300), NewPlan(7, 300), NewPlan(8, 300)
	if !reflect.DeepEqual(a.Seeds(), b.Seeds()) || reflect.DeepEqual(a.Seeds(), c.Seeds()) {
		t.Fatal("seeds do not depend on the seed and nothing else")
	}
	same := true
	for i := range 3000 {
		x, y, z := a.Next(), b.Next(), c.Next()
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("operation %d: %+v and %+v", i, x, y)
		}
		same = same && reflect.DeepEqual(x, z)
	}
	if same {
		t.Error("another seed gave the same operations")
	}
}

// Whatever the seed, an operation fits what was done before it, and its key is
// one that every cloud takes.
func TestPlanIsConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := NewPlan(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 200).Draw(t, "objects"))
		live := map[string]bool{}
		for _, op := range p.Seeds() {
			if op.Kind != Create || live[op.Key] {
				t.Fatalf("seed %+v", op)
			}
			live[op.Key] = true
		}
		for range rapid.IntRange(0, 600).Draw(t, "operations") {
			op := p.Next()
			if want := op.Kind != Create; live[op.Key] != want {
				t.Fatalf("%s of %q, which is live: %v", op.Kind, op.Key, live[op.Key])
			}
			if op.Kind == Delete && op.Key == JobsKey {
				t.Fatal("the job queue is deleted")
			}
			if (op.Attrs.ContentEncoding == "gzip") != op.Body.Gzip {
				t.Fatalf("encoding and body disagree: %+v", op)
			}
			if !utf8.ValidString(op.Key) || len(op.Key) > 200 || strings.ContainsAny(op.Key, "\\\r\n\x00") {
				t.Fatalf("key %q", op.Key)
			}
			live[op.Key] = op.Kind != Delete
		}
	})
}

func TestPlanHasEverything(t *testing.T) {
	t.Parallel()
	p := NewPlan(1, 3000)
	if n := len(p.Seeds()); n != 3000 {
		t.Fatalf("%d seeds", n)
	}
	small := NewPlan(1, 0)
	if n := len(small.Seeds()); n != len(oddKeys)+3 {
		t.Fatalf("%d special seeds", n)
	}
	var total, large, empty, zipped, jobs, back, again int
	deleted, contents := map[string]bool{}, map[string]bool{}
	kinds := map[Kind]int{}
	for range 3000 {
		op := p.Next()
		kinds[op.Kind]++
		if op.Kind == Delete {
			deleted[op.Key] = true
			continue
		}
		total += op.Body.Size
		if op.Body.Size > 8<<20 {
			large++
			continue
		}
		c := fmt.Sprint(op.Key, op.Body, op.Attrs)
		if contents[c] {
			again++
		}
		contents[c] = true
		if op.Body.Size == 0 {
			empty++
		}
		if op.Body.Gzip {
			zipped++
		}
		if op.Key == JobsKey {
			jobs++
		}
		if op.Kind == Create && deleted[op.Key] {
			back++
		}
	}
	if kinds[Create] < 600 || kinds[Overwrite] < 900 || kinds[Delete] < 300 {
		t.Errorf("kinds: %v", kinds)
	}
	if large < 3 || empty < 20 || zipped < 20 || jobs < 400 || back < 50 || again < 10 {
		t.Errorf("large %d, empty %d, zipped %d, jobs %d, back %d, reverted %d", large, empty, zipped, jobs, back, again)
	}
	if mean := total / 2500; mean < 10<<10 || mean > 100<<10 {
		t.Errorf("mean size %d", mean)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	b := Body{Seed: 3, Size: 5000}
	if x := b.Bytes(); len(x) != 5000 || !bytes.Equal(x, b.Bytes()) || bytes.Equal(x, Body{Seed: 4, Size: 5000}.Bytes()) {
		t.Error("a body is not what its seed and size say")
	}
	b.Gzip = true
	z, err := gzip.NewReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || len(text) != 5000 || len(b.Bytes()) >= 5000 {
		t.Errorf("%d bytes of text from %d: %v", len(text), len(b.Bytes()), err)
	}
}

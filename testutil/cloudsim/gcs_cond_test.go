package cloudsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
)

// TestGCSConditions by the client: each operation with conditions that hold
// and that do not.
func TestGCSConditions(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	o := g.object("k")
	a, err := gcsWrite(t, o.If(storage.Conditions{DoesNotExist: true}), "one", nil)
	if err != nil {
		t.Fatal(err)
	}
	gen := a.Generation
	big := strings.Repeat("x", 600<<10)
	chunked := func(w *storage.Writer) { w.ChunkSize = 256 << 10 }
	ops := map[string]func(*storage.ObjectHandle) error{
		"insert":    func(o *storage.ObjectHandle) error { _, err := gcsWrite(t, o, "two", nil); return err },
		"resumable": func(o *storage.ObjectHandle) error { _, err := gcsWrite(t, o, big, chunked); return err },
		"update": func(o *storage.ObjectHandle) error {
			_, err := o.Update(t.Context(), storage.ObjectAttrsToUpdate{ContentType: "x/y"})
			return err
		},
		"delete": func(o *storage.ObjectHandle) error { return o.Delete(t.Context()) },
		"read":   func(o *storage.ObjectHandle) error { _, err := gcsRead(t.Context(), o); return err },
		"attrs":  func(o *storage.ObjectHandle) error { _, err := o.Attrs(t.Context()); return err },
		"compose": func(o *storage.ObjectHandle) error {
			_, err := o.ComposerFrom(g.object("k"), g.object("k")).Run(t.Context())
			return err
		},
		"copy": func(o *storage.ObjectHandle) error {
			_, err := o.CopierFrom(g.object("k")).Run(t.Context())
			return err
		},
	}
	for name, op := range ops {
		for _, c := range []storage.Conditions{
			{DoesNotExist: true}, {GenerationMatch: gen + 1}, {GenerationMatch: gen, MetagenerationMatch: 9}, {MetagenerationMatch: 2},
		} {
			if err := op(o.If(c)); gcsStatus(err) != http.StatusPreconditionFailed {
				t.Errorf("%s on %+v: %v, want 412", name, c, err)
			}
		}
		for _, c := range []storage.Conditions{{GenerationNotMatch: gen}, {MetagenerationNotMatch: 1}} {
			if name == "read" || name == "compose" {
				continue // the client cannot send them there
			}
			if err := op(o.If(c)); gcsStatus(err) != http.StatusNotModified {
				t.Errorf("%s on %+v: %v, want 304", name, c, err)
			}
		}
	}
	if o := g.bucket.Get("k"); o == nil || o.Generation != gen || o.Metageneration != 1 {
		t.Fatalf("a refused operation changed the object to %+v", o)
	}
	for name, op := range ops {
		cur := g.bucket.Get("k")
		if err := op(o.If(storage.Conditions{GenerationMatch: cur.Generation, MetagenerationMatch: cur.Metageneration})); err != nil {
			t.Errorf("%s on the version that is there: %v", name, err)
		}
		if g.bucket.Get("k") == nil {
			if _, err := gcsWrite(t, o.If(storage.Conditions{DoesNotExist: true}), "again", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Sources have conditions of their own.
	stale := g.object("k").If(storage.Conditions{GenerationMatch: gen})
	if _, err := g.object("c").ComposerFrom(stale).Run(t.Context()); gcsStatus(err) != 412 {
		t.Errorf("compose of a stale source: %v", err)
	}
	if _, err := g.object("c").CopierFrom(stale).Run(t.Context()); gcsStatus(err) != 412 {
		t.Errorf("copy of a stale source: %v", err)
	}
	for name, op := range map[string]func() error{
		"compose": func() error { _, err := g.object("c").ComposerFrom(g.object("no")).Run(t.Context()); return err },
		"copy":    func() error { _, err := g.object("c").CopierFrom(g.object("no")).Run(t.Context()); return err },
		"delete":  func() error { return g.object("no").Delete(t.Context()) },
		"update":  func() error { return ops["update"](g.object("no")) },
	} {
		if err := op(); gcsStatus(err) != 404 {
			t.Errorf("%s of what is not there: %v", name, err)
		}
	}
}

func TestGCSComposeAndCopy(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	g.core.CreateBucket("other", false)
	var sources []*storage.ObjectHandle
	want := ""
	for i := range 33 {
		o := g.object(fmt.Sprintf("part%02d", i))
		if _, err := gcsWrite(t, o, fmt.Sprintf("<%d>", i), nil); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, o)
		if i < 32 {
			want += fmt.Sprintf("<%d>", i)
		}
	}
	if _, err := g.object("all").ComposerFrom(sources...).Run(t.Context()); gcsStatus(err) != 400 {
		t.Errorf("33 sources: %v", err)
	}
	c := g.object("all").ComposerFrom(sources[:32]...)
	c.ContentType, c.Metadata, c.SendCRC32C, c.CRC32C = "text/joined", map[string]string{"a": "b"}, true, 1
	if _, err := c.Run(t.Context()); gcsStatus(err) != 400 {
		t.Errorf("a wrong checksum: %v", err)
	}
	c.SendCRC32C = false
	a, err := c.Run(t.Context())
	if err != nil || a.ComponentCount != 32 || len(a.MD5) != 0 || a.ContentType != "text/joined" || a.Metadata["a"] != "b" {
		t.Errorf("composed: %+v, %v", a, err)
	}
	if got, err := gcsRead(t.Context(), g.object("all")); err != nil || got != want {
		t.Errorf("composed object holds %q, error %v", got, err)
	}
	twice, err := g.object("twice").ComposerFrom(g.object("all"), g.object("all")).Run(t.Context())
	if err != nil || twice.ComponentCount != 64 {
		t.Errorf("composed of composed: %+v, %v", twice, err)
	}
	cp := g.client.Bucket("other").Object("copy").CopierFrom(g.object("all"))
	if a, err = cp.Run(t.Context()); err != nil || a.ContentType != "text/joined" || a.Metadata["a"] != "b" || a.Bucket != "other" {
		t.Errorf("copied: %+v, %v", a, err)
	}
	cp.ContentType = "text/new"
	if a, err = cp.Run(t.Context()); err != nil || a.ContentType != "text/new" || a.Metadata != nil {
		t.Errorf("copied with new attributes: %+v, %v", a, err)
	}
	if got, err := gcsRead(t.Context(), g.client.Bucket("other").Object("copy")); err != nil || got != want {
		t.Errorf("copy holds %q, error %v", got, err)
	}
}

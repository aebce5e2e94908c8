package eventgrid_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	t.Parallel()
	created := func(e *functions.Event) { e.Created = true }
	deleted := func(e *functions.Event) { e.Removed, e.Version = true, "" }
	for _, c := range []struct {
		doc, typ, key string
		with          func(*functions.Event)
	}{
		{"created", "BlobCreated", "in/new-file.txt", created},
		{"created-block-list", "BlobCreated", "in/large.bin", created},
		{"created-copy", "BlobCreated", "in/copy", created},
		{"created-flush", "BlobCreated", "in/dir/file", created},
		{"created-sftp", "BlobCreated", "in/sftp", created},
		{"created-create-file", "BlobCreated", "in/dir/empty", created},
		{"deleted", "BlobDeleted", "in/gone", deleted},
		{"no-data", "BlobDeleted", "in/gone", func(e *functions.Event) { e.Removed, e.Version, e.Sequencer = true, "", "" }},
		{"odd-key", "BlobCreated", "in//a+b%2F #é/blobs/x.", created},
		{"topic-case", "BlobCreated", "in/a", created},
		{"another-container", "BlobCreated", "in/a", func(e *functions.Event) { e.Created, e.Bucket = true, "other" }},
		{"another-account", "BlobCreated", "in/a", func(e *functions.Event) { e.Created, e.Account = true, "evil" }},
		{"cloudevent", "BlobCreated", "in/new-file.txt", created},
		{"cloudevent-batch", "BlobCreated", "in/new-file.txt", created},
		{"tier-changed", "BlobTierChanged", "", func(e *functions.Event) {
			e.Ignored, e.Bucket, e.Version, e.Sequencer = "nothing that is replicated", "", "", ""
		}},
		{"unknown-type", "BlobFrobnicated", "", func(e *functions.Event) {
			e.Ignored, e.Bucket, e.Version, e.Sequencer = "unknown event type", "", "", ""
		}},
	} {
		t.Run(c.doc, func(t *testing.T) {
			t.Parallel()
			want := functions.Event{
				ID: "831e1650-001e-001b-66ab-eeb76e069631", Source: "Microsoft.Storage", Type: "Microsoft.Storage." + c.typ,
				Account: "acct", Bucket: "photos", Key: c.key, Version: "0x8D4BCC2E4835CD0", Sequencer: "00000000000004420000000000028963",
				Time: time.Date(2026, 11, 3, 10, 15, 30, 123456700, time.UTC),
			}
			c.with(&want)
			got, err := eventgrid.Decode(golden(t, c.doc))
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%v, decoded\n%+v, want\n%+v", err, got, want)
			}
		})
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"damaged-key":       "damaged on its way",
		"renamed":           "are not followed",
		"directory-deleted": "are not followed",
		"bad-subject":       "CONTAINER/blobs/NAME",
		"wrong-types":       "not an Event Grid event",
		"no-type":           "it has no type",
	} {
		got, err := eventgrid.Decode(golden(t, doc))
		if err != nil || len(got) != 1 || got[0].Malformed == nil || !strings.Contains(got[0].Malformed.Error(), want) {
			t.Errorf("%s: %v, %+v; want %q", doc, err, got, want)
		}
	}
	for _, doc := range []string{"not-json", "empty", "number"} {
		if got, err := eventgrid.Decode(golden(t, doc)); err == nil {
			t.Errorf("%s: decoded %+v", doc, got)
		}
	}
	if got, err := eventgrid.Decode([]byte("[{\"subject\":\"/blobServices/default/containers/c/blobs/\xff\"}]")); err == nil {
		t.Errorf("not UTF-8: decoded %+v", got)
	}
}

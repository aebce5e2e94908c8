//go:build servers

package servertest

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

// fresh returns Harness.New: each case has a bucket of its own, opened as the
// command line opens it.
func fresh(scheme string, open config.Opener) func(*testing.T) store.Store {
	var n atomic.Int64
	return func(t *testing.T) store.Store {
		t.Helper()
		bucket := fmt.Sprintf("conformance-%d", n.Add(1))
		if err := clouds[scheme].create(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(clouds[scheme].url(bucket))
		if err != nil {
			t.Fatal(err)
		}
		s, err := open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("closing the store: %v", err)
			}
		})
		return s
	}
}

// Bodies of this size go up in more than two parts of the drivers' defaults.
const multipart = 17 << 20

func TestS3OnVersitygw(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		New:               fresh("s3", s3.Open),
		FoldsMetadataCase: true,
		VersionsRecur:     true,
		NoKeyBelowKey:     true,
		MultipartSize:     multipart,
		Known:             versitygwKnown,
	})
}

func TestGCSOnFakeServer(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		New: fresh("gs", gcs.Open),
		BadKey: func(key string) bool {
			return strings.ContainsAny(key, "\r\n") || key == "." || key == ".." || strings.HasPrefix(key, ".well-known/acme-challenge/")
		},
		FoldsMetadataCase: true,
		MultipartSize:     multipart,
		Known:             fakeGCSKnown,
	})
}

// A path segment that ends in a dot, a control character or a backslash cannot
// be part of a blob's name, nor can more than 254 segments.
var badBlobName = regexp.MustCompile(`\.(/|$)|[\x00-\x1f\\\x{80}-\x{9f}]|^([^/]*/){254}`)

func TestAzureOnAzurite(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		New:               fresh("az", azblob.Open),
		BadKey:            badBlobName.MatchString,
		FoldsMetadataCase: true,
		MultipartSize:     multipart,
		Known:             azuriteKnown,
	})
}

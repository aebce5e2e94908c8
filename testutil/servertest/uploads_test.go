//go:build servers

package servertest

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
)

// Unfinished uploads are found by their keys below the prefix, and aborted.
func TestAbortUploadsOnVersitygw(t *testing.T) {
	client := clouds["s3"].(s3Cloud).c
	bucket := "uploads"
	if err := clouds["s3"].create(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("s3://" + bucket + "/p")
	if err != nil {
		t.Fatal(err)
	}
	st, err := s3.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	aborter, ok := store.As[store.UploadAborter](st)
	if !ok {
		t.Fatal("the store cannot abort uploads")
	}
	clock, err := aborter.UploadClock(t.Context())
	if err != nil || clock.IsZero() {
		t.Fatalf("clock %v, %v", clock, err)
	}
	want := []string{"a b+c%.txt", "ü/😀", "ü/😀"}
	for i := range 1001 { // more than a page
		want = append(want, fmt.Sprintf("many/%04d", i))
	}
	begin := func(key string) {
		if _, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range want {
		begin("p/" + key)
	}
	begin("outside")
	list := func() (all []store.Upload) {
		for u, err := range aborter.Uploads(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, u)
		}
		return all
	}
	all := list()
	var got []string
	for _, u := range all {
		got = append(got, u.Key)
		if u.Begun.Before(clock) || u.Begun.After(clock.Add(time.Hour)) {
			t.Errorf("%q was begun %v, after %v", u.Key, u.Begun, clock)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("uploads of %q, want %q", got, want)
	}
	for _, u := range append(all, all[0]) { // the last has ended already
		if err := aborter.AbortUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	if left := list(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	out, err := client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil || len(out.Uploads) != 1 {
		t.Errorf("%d uploads in the bucket, want the one outside of the prefix; %v", len(out.Uploads), err)
	}
}

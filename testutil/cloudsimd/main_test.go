package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// It serves what it prints, and ends with its input.
func TestRun(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	function := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Ce-Subject")
	}))
	defer function.Close()
	in, closeIn := io.Pipe()
	out, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run([]string{"-latency=1us", "-deliver", "gcs:photos=" + function.URL}, in, write)
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var urls URLs
	if err := json.Unmarshal(line, &urls); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, url string }{
		{http.MethodPut, urls.S3 + "/bucket"},
		{http.MethodGet, urls.Azure + "/devstoreaccount1/x?restype=container"},
		{http.MethodPost, urls.GCS + "/upload/storage/v1/b/photos/o?uploadType=media&name=a"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if subject := <-got; subject != "objects/a" {
		t.Errorf("event of %q", subject)
	}
	res, err := loopback.Client().Get(urls.Admin + "/deliveries") //nolint:noctx // ends with the server
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []Delivery
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil || len(all) != 1 || all[0].Bucket != "photos" || all[0].Sent != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	closeIn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-deliver", "az:b=http://x"}, {"-deliver", "s3:b"}, {"-deliver", "gcs:=http://x"}, {"-latency", "x"}} {
		if err := run(args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

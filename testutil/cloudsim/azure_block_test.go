package cloudsim_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func azureID(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (a *azure) stage(blob, id, body string) azureReply {
	a.t.Helper()
	return a.do("PUT", "/photos/"+blob+"?comp=block&blockid="+url.QueryEscape(azureID(id)), body)
}

// commit takes references such as "Latest 0001".
func (a *azure) commit(blob string, refs []string, headers ...string) azureReply {
	a.t.Helper()
	var b strings.Builder
	b.WriteString("<BlockList>")
	for _, ref := range refs {
		from, id, _ := strings.Cut(ref, " ")
		fmt.Fprintf(&b, "<%s>%s</%s>", from, azureID(id), from)
	}
	b.WriteString("</BlockList>")
	return a.do("PUT", "/photos/"+blob+"?comp=blocklist", b.String(), headers...)
}

func (a *azure) blockList(blob, which string) string {
	a.t.Helper()
	return a.do("GET", "/photos/"+blob+"?comp=blocklist&blocklisttype="+which, "").body
}

func TestAzureBlocks(t *testing.T) {
	t.Parallel()
	a := newAzure(t, cloudsim.AzureOptions{})
	for i, body := range []string{"one ", "two ", "three"} {
		if got := a.stage("b", fmt.Sprint(i), body); got.StatusCode != 201 {
			t.Fatalf("stage: %d %s", got.StatusCode, got.code())
		}
	}
	if a.do("HEAD", "/photos/b", "").StatusCode != 404 || a.bucket.Len() != 0 {
		t.Error("uncommitted blocks are visible")
	}
	if got := a.blockList("b", "uncommitted"); strings.Count(got, "<Block>") != 3 || !strings.Contains(got, "<Name>"+azureID("2")+"</Name><Size>5</Size>") {
		t.Errorf("uncommitted: %s", got)
	}
	if got := a.stage("b", "10", "x"); got.code() != "InvalidBlobOrBlock" {
		t.Errorf("an id of another length: %d %s", got.StatusCode, got.code())
	}
	if got := a.stage("b", strings.Repeat("i", 65), "x"); got.code() != "InvalidQueryParameterValue" {
		t.Errorf("an id of 65 bytes: %d %s", got.StatusCode, got.code())
	}

	got := a.commit("b", []string{"Latest 0", "Uncommitted 2"}, "x-ms-blob-content-md5: "+azureMD5("anything"), "x-ms-meta-m: 1", "Content-Type: application/xml")
	if got.StatusCode != 201 {
		t.Fatalf("commit: %d %s", got.StatusCode, got.body)
	}
	o := a.bucket.Get("b")
	if string(o.Body) != "one three" || o.Metadata["m"] != "1" || o.ContentType != "application/octet-stream" {
		t.Errorf("committed %q %v %q", o.Body, o.Metadata, o.ContentType)
	}
	if head := a.do("HEAD", "/photos/b", ""); head.Header.Get("Content-MD5") != azureMD5("anything") {
		t.Errorf("the MD5 of a block list is kept as it is sent: %q", head.Header.Get("Content-MD5"))
	}
	if got := a.blockList("b", "all"); strings.Count(got, "<Block>") != 2 || strings.Contains(got, azureID("1")) {
		t.Errorf("after the commit: %s", got)
	}

	// Committed and new blocks mix; Latest prefers the new ones.
	a.stage("b", "0", "ONE ")
	if got := a.commit("b", []string{"Committed 0", "Latest 0", "Latest 2"}); got.StatusCode != 201 {
		t.Fatalf("second commit: %d %s", got.StatusCode, got.code())
	}
	if o := a.bucket.Get("b"); string(o.Body) != "one ONE three" || o.MD5 != nil || o.Metadata != nil {
		t.Errorf("second commit made %q, MD5 %x, metadata %v", o.Body, o.MD5, o.Metadata)
	}
	if got := a.commit("b", []string{"Uncommitted 0"}); got.code() != "InvalidBlockList" {
		t.Errorf("a committed block as an uncommitted one: %d %s", got.StatusCode, got.code())
	}

	// A commit that loses leaves its blocks, one that wins and a Put Blob drop all.
	a.stage("b", "7", "seven")
	if got := a.commit("b", []string{"Latest 7"}, `If-Match: "0x1"`); got.code() != "ConditionNotMet" {
		t.Errorf("stale commit: %d %s", got.StatusCode, got.code())
	}
	if got := a.blockList("b", "uncommitted"); !strings.Contains(got, azureID("7")) {
		t.Errorf("the loser's blocks are gone: %s", got)
	}
	a.do("PUT", "/photos/b", "whole", blockBlob)
	if got := a.blockList("b", "all"); strings.Contains(got, "<Block>") {
		t.Errorf("after a Put Blob: %s", got)
	}
	if got := a.commit("b", []string{"Latest 7"}); got.code() != "InvalidBlockList" {
		t.Errorf("dropped block: %d %s", got.StatusCode, got.code())
	}
	if a.bucket.Get("b"); string(a.bucket.Get("b").Body) != "whole" {
		t.Error("a refused commit changed the blob")
	}
}

func TestAzureNoCRC64(t *testing.T) {
	t.Parallel()
	a := newAzure(t, cloudsim.AzureOptions{NoCRC64: true})
	got := a.do("PUT", "/photos/b", "x", blockBlob, "x-ms-content-crc64: "+azureCRC("x"))
	if got.StatusCode != 500 || got.code() != "FeatureNotSupported" {
		t.Errorf("%d %s", got.StatusCode, got.code())
	}
}

func TestAzureFromURL(t *testing.T) {
	t.Parallel()
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sig") != "ok" {
			http.Error(w, "denied", http.StatusForbidden)
			return
		}
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("the service asks for no encoding")
		}
		w.Header().Set("ETag", `"s1"`)
		w.Header().Set("Content-Type", "text/source")
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}))
	defer source.Close()
	from := "x-ms-copy-source: " + source.URL + "/x?sig="
	a := newAzure(t, cloudsim.AzureOptions{})
	type want struct {
		status int
		code   string
		body   string
		ctype  string
	}
	for _, tt := range []struct {
		name    string
		headers []string
		want    want
	}{
		{"plain", []string{from + "ok"}, want{201, "", "0123456789", "text/source"}},
		{"own properties", []string{from + "ok", "x-ms-copy-source-blob-properties: false", "x-ms-blob-content-type: a/b"}, want{201, "", "0123456789", "a/b"}},
		{"own type, rest copied", []string{from + "ok", "x-ms-blob-content-type: a/b"}, want{201, "", "0123456789", "a/b"}},
		{"right MD5", []string{from + "ok", "x-ms-source-content-md5: " + azureMD5("0123456789")}, want{201, "", "0123456789", "text/source"}},
		{"wrong MD5", []string{from + "ok", "x-ms-source-content-md5: " + azureMD5("x")}, want{400, "Md5Mismatch", "", ""}},
		{"source condition", []string{from + "ok", `x-ms-source-if-match: "s1"`}, want{201, "", "0123456789", "text/source"}},
		{"stale source", []string{from + "ok", `x-ms-source-if-match: "s0"`}, want{412, "SourceConditionNotMet", "", ""}},
		{"denied", []string{from + "no"}, want{403, "CannotVerifyCopySource", "", ""}},
		{"elsewhere", []string{"x-ms-copy-source: http://192.0.2.1/x"}, want{403, "CannotVerifyCopySource", "", ""}},
		{"too long", []string{from + strings.Repeat("x", 2<<10)}, want{400, "InvalidHeaderValue", "", ""}},
	} {
		a.do("DELETE", "/photos/u", "")
		got := a.do("PUT", "/photos/u", "", append(tt.headers, blockBlob)...)
		if got.StatusCode != tt.want.status || got.code() != tt.want.code {
			t.Errorf("%s: %d %s %s", tt.name, got.StatusCode, got.code(), got.body)
		}
		o := a.bucket.Get("u")
		switch {
		case tt.want.code != "" && o != nil:
			t.Errorf("%s: stored %q", tt.name, o.Body)
		case tt.want.code == "" && (o == nil || string(o.Body) != tt.want.body || o.ContentType != tt.want.ctype):
			t.Errorf("%s: stored %+v", tt.name, o)
		}
	}
	if got := a.do("PUT", "/photos/u", "", from+"ok", blockBlob, "If-None-Match: *"); got.StatusCode != 201 {
		t.Errorf("if absent: %d %s", got.StatusCode, got.code())
	}
	if got := a.do("PUT", "/photos/u", "", from+"ok", blockBlob, "If-None-Match: *"); got.code() != "BlobAlreadyExists" {
		t.Errorf("if absent, again: %d %s", got.StatusCode, got.code())
	}

	for i, r := range []string{"bytes=0-3", "bytes=4-9"} {
		got := a.do("PUT", "/photos/p?comp=block&blockid="+url.QueryEscape(azureID(fmt.Sprint(i))), "", from+"ok", "x-ms-source-range: "+r)
		if got.StatusCode != 201 {
			t.Errorf("block %d: %d %s", i, got.StatusCode, got.code())
		}
	}
	a.commit("p", []string{"Latest 1", "Latest 0"})
	if o := a.bucket.Get("p"); o == nil || string(o.Body) != "4567890123" {
		t.Errorf("committed %+v", o)
	}
	if counts := a.rec.Counts(); counts["Put Blob From URL"] < 10 || counts["Put Block From URL"] != 2 {
		t.Errorf("recorded %v", counts)
	}
}

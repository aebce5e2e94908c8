package cloudsim

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// azureBlobName names a blob within the account.
type azureBlobName struct{ container, blob string }

// parse takes the account, container and blob from the path as it was sent: a
// router that cleans paths would alter names such as a//b.
func (rq *azureRequest) parse() (err error) {
	if rq.query, err = url.ParseQuery(rq.r.URL.RawQuery); err != nil {
		return azureErr(http.StatusBadRequest, "InvalidUri", "The query cannot be parsed.")
	}
	account, rest, _ := strings.Cut(strings.TrimPrefix(rq.r.URL.EscapedPath(), "/"), "/")
	if account != rq.opts.Account {
		return azureErr(http.StatusNotFound, "ResourceNotFound", "The specified account does not exist.")
	}
	container, blob, _ := strings.Cut(rest, "/")
	if rq.container, err = url.PathUnescape(container); err != nil {
		return azureErr(http.StatusBadRequest, "InvalidUri", "The container name cannot be parsed.")
	}
	if blob == "" {
		return nil
	}
	name, err := url.PathUnescape(blob)
	if err != nil || !azureNameAllowed(name) {
		return azureErr(http.StatusBadRequest, "InvalidUri", "The requested URI does not represent any resource on the server.")
	}
	if rq.blob = azureNormalize(name); rq.blob == "" || utf8.RuneCountInString(rq.blob) > 1024 {
		return azureErr(http.StatusBadRequest, "InvalidResourceName", "The specified resource name length is not within the permissible limits.")
	}
	if strings.Count(rq.blob, "/") >= azureMaxSegments {
		return azureErr(http.StatusBadRequest, "InvalidUri", "The blob name has too many path segments.")
	}
	return nil
}

// azureMaxSegments is how many path segments a name may have ("Naming and
// referencing containers, blobs, and metadata").
const azureMaxSegments = 254

// azureNameAllowed reports whether the service takes these characters: UTF-8
// without controls (the same document).
func azureNameAllowed(name string) bool {
	for _, r := range name {
		if r < 0x20 || r >= 0x80 && r < 0xA0 {
			return false
		}
	}
	return utf8.ValidString(name)
}

// azureNormalize does to a name what the service does, percent-encoded or not: a
// backslash becomes a slash, dot segments are resolved, and dots at the end of a
// segment are dropped. The documents advise against such names; the service
// stores them under another name and answers 201 (Azure/azure-sdk-for-rust#5275).
func azureNormalize(name string) string {
	if !strings.ContainsAny(name, `.\`) {
		return name
	}
	segments := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	kept := segments[:0]
	for _, s := range segments {
		switch s {
		case ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, strings.TrimRight(s, "."))
		}
	}
	return strings.Join(kept, "/")
}

// azureContainerName reports whether s may name a container: 3 to 63 lower-case
// letters, digits and single hyphens, or one of the names with a dollar sign.
func azureContainerName(s string) bool {
	if s == "$root" || s == "$web" || s == "$logs" {
		return true
	}
	if len(s) < 3 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' || strings.Contains(s, "--") {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// azureSegmentOrder is the order of a hierarchical namespace: directory by
// directory, so that a/b comes before a-b.
func azureSegmentOrder(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

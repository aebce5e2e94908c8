package deploy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/crossfade-io/crossfade/store"
)

// need is a permission that a request to S3 takes.
type need struct{ action, resource string }

// recorder is in front of an S3 and notes what the requests to it need.
type recorder struct {
	next http.Handler

	mu      sync.Mutex
	needs   []need
	spoiled bool // the next completion of an upload finds another object
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	needs := needsOf(req)
	r.mu.Lock()
	r.needs = append(r.needs, needs...)
	refuse := r.spoiled && req.Method == http.MethodPost && req.URL.Query().Has("uploadId")
	if refuse {
		r.spoiled = false
	}
	r.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusPreconditionFailed)
		fmt.Fprint(w, `<Error><Code>PreconditionFailed</Code></Error>`)
		return
	}
	r.next.ServeHTTP(w, req)
}

// spoil has the next completion of an upload fail.
func (r *recorder) spoil() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoiled = true
}

// note adds needs.
func (r *recorder) note(needs []need) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.needs = append(r.needs, needs...)
}

// take returns what was noted since the last time.
func (r *recorder) take() []need {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.needs
	r.needs = nil
	return taken
}

// needsOf is by the Amazon S3 user guide, "Required permissions for Amazon S3 API
// operations". An operation that is not known needs itself, which nothing grants.
func needsOf(req *http.Request) []need {
	path := strings.TrimPrefix(req.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	on := func(resource string, actions ...string) (needs []need) {
		for _, a := range actions {
			needs = append(needs, need{a, "arn:aws:s3:::" + resource})
		}
		return needs
	}
	query := req.URL.Query()
	if key == "" {
		known := !slices.ContainsFunc(sorted(query), func(name string) bool {
			return !slices.Contains([]string{"list-type", "prefix", "start-after", "continuation-token", "max-keys", "encoding-type", "x-id", "delimiter"}, name)
		})
		switch {
		case req.Method == http.MethodGet && known || req.Method == http.MethodHead:
			return on(bucket, "s3:ListBucket")
		case req.Method == http.MethodGet && query.Has("uploads"):
			return on(bucket, "s3:ListBucketMultipartUploads")
		}
		return on(bucket, req.Method+" ?"+req.URL.RawQuery)
	}
	if strings.HasPrefix(key, store.ControlPrefix+"probe/") || strings.Contains(key, "/"+store.ControlPrefix+"probe/") {
		return nil // made of servers only that are not Amazon's
	}
	if name := slices.IndexFunc(sorted(query), func(name string) bool {
		return !slices.Contains([]string{"versionId", "partNumber", "uploadId", "uploads", "x-id"}, name)
	}); name >= 0 || req.Header.Get("x-amz-tagging") != "" || req.Header.Get("x-amz-acl") != "" {
		return on(path, req.Method+" ?"+req.URL.RawQuery)
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		if query.Has("versionId") {
			return on(path, "s3:GetObjectVersion")
		}
		return on(path, "s3:GetObject")
	case http.MethodPut:
		from := req.Header.Get("x-amz-copy-source")
		if from == "" {
			return on(path, "s3:PutObject")
		}
		copied, err := url.PathUnescape(strings.TrimPrefix(from, "/"))
		if err != nil {
			copied = "?"
		}
		return append(on(path, "s3:PutObject"), on(copied, "s3:GetObject")...)
	case http.MethodPost:
		return on(path, "s3:PutObject")
	case http.MethodDelete:
		switch {
		case query.Has("uploadId"):
			return on(path, "s3:AbortMultipartUpload")
		case query.Has("versionId"):
			return on(path, "s3:DeleteObjectVersion")
		case req.Header.Get("If-Match") != "": // "Conditional deletes"
			return on(path, "s3:DeleteObject", "s3:GetObject")
		}
		return on(path, "s3:DeleteObject")
	}
	return on(path, req.Method)
}

// grants reports whether s grants n.
func (s statement) grants(n need) bool {
	return s.effect == "Allow" && slices.Contains(s.actions, n.action) && slices.ContainsFunc(s.resources, func(r string) bool {
		prefix, wild := strings.CutSuffix(r, "*")
		return r == n.resource || wild && strings.HasPrefix(n.resource, prefix)
	})
}

// compare compares needs with what a policy grants on S3: what is needed and not
// granted, and what is granted and was not needed.
func compare(policy []statement, needs []need) (denied, surplus []string) {
	for _, n := range needs {
		if !slices.ContainsFunc(policy, func(s statement) bool { return s.grants(n) }) {
			denied = append(denied, n.action+" on "+n.resource)
		}
	}
	for _, s := range policy {
		for _, action := range s.actions {
			if !strings.HasPrefix(action, "s3:") {
				continue
			}
			only := s
			only.actions = []string{action}
			if !slices.ContainsFunc(needs, only.grants) {
				surplus = append(surplus, s.sid+": "+action)
			}
		}
	}
	slices.Sort(denied)
	return slices.Compact(denied), surplus
}

// Package loopback has the HTTP client of the tests.
package loopback

import "net/http"

// Client returns a client with connections of its own, one a request.
//
// http.DefaultClient is no client for tests that run in parallel: the Close of
// any httptest.Server closes the idle connections of http.DefaultTransport, and
// a POST of another test that has just been given one fails.
func Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

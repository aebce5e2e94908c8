package config

import (
	"errors"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"unicode"
)

// webhook reads the URL of a webhook. Its path, query and user may be
// credentials: no message repeats them, and only the host is shown.
func webhook(to *Secret) func(item) error {
	return func(it item) error {
		u, err := url.Parse(it.text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" {
			return errors.New("is not an http or https URL: write one such as https://host/path")
		}
		*to = NewSecret(it.text)
		if !it.expanded {
			host := u.Scheme + "://" + u.Host + "/…"
			to.shown = &host
		}
		return nil
	}
}

// inClear reports whether what is sent to a webhook could be read on its way.
func inClear(webhook string) bool {
	u, err := url.Parse(webhook)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// header reads one header of a webhook's request.
func header(h *Hook) func(item) error {
	return func(it item) error {
		name := textproto.CanonicalMIMEHeaderKey(it.key)
		switch {
		case !isToken(it.key):
			return errors.New("is no name of a header: write letters, digits and -")
		case name == "Host" || name == "Content-Length" || name == "Transfer-Encoding":
			return errors.New("is not for a hook to set: remove it")
		case strings.ContainsFunc(it.text, unicode.IsControl):
			return errors.New("has a line end or another control character: write one line")
		case !h.Headers[name].IsZero():
			return errors.New("is here a second time, in capitals or small letters: keep one")
		}
		if h.Headers == nil {
			h.Headers = map[string]Secret{}
		}
		h.Headers[name] = NewSecret(it.text)
		return nil
	}
}

// isToken reports whether s can name a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

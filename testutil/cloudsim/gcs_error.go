package cloudsim

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// gcsError is an answer that is no success, in both APIs' words.
type gcsError struct {
	status   int
	reason   string // JSON API
	code     string // XML API
	message  string
	details  string // XML API
	location string // JSON API: what of the request was at fault
}

func (e *gcsError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.reason, e.message) }

func gcsFail(status int, reason, code, message string) *gcsError {
	return &gcsError{status: status, reason: reason, code: code, message: message}
}

func gcsInvalid(format string, args ...any) *gcsError {
	return gcsFail(http.StatusBadRequest, "invalid", "InvalidArgument", fmt.Sprintf(format, args...))
}

func gcsUnsupported(what string) *gcsError {
	return gcsFail(http.StatusNotImplemented, "notImplemented", "NotImplemented", "cloudsim does not simulate "+what+".")
}

func gcsMethod(r *http.Request) *gcsError {
	return gcsFail(http.StatusMethodNotAllowed, "methodNotAllowed", "MethodNotAllowed", r.Method+" is not allowed here.")
}

func gcsNoObject(bucket, object string) *gcsError {
	name := "No such object: " + bucket + "/" + object
	e := gcsFail(http.StatusNotFound, "notFound", "NoSuchKey", name)
	e.details = name
	return e
}

// gcsUnmet is a precondition that does not hold: 412, but 304 for those of the
// form NotMatch.
func gcsUnmet(notMatch bool) *gcsError {
	if notMatch {
		return &gcsError{status: http.StatusNotModified}
	}
	e := gcsFail(http.StatusPreconditionFailed, "conditionNotMet", "PreconditionFailed",
		"At least one of the pre-conditions you specified did not hold.")
	e.location = "If-Match"
	return e
}

type gcsErrorItem struct {
	Message      string `json:"message"`
	Domain       string `json:"domain"`
	Reason       string `json:"reason"`
	LocationType string `json:"locationType,omitempty"`
	Location     string `json:"location,omitempty"`
}

type gcsErrorBody struct {
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Errors  []gcsErrorItem `json:"errors"`
}

type gcsXMLError struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
	Details string `xml:",omitempty"`
}

func writeGCSError(w http.ResponseWriter, r *http.Request, c *gcsCall, err error) {
	var e *gcsError
	if !errors.As(err, &e) {
		// The request could not be read to its end; nobody may be listening.
		e = gcsFail(http.StatusBadRequest, "badRequest", "IncompleteBody", err.Error())
	}
	h := w.Header()
	if e.status == http.StatusNotModified {
		w.WriteHeader(e.status)
		return
	}
	h.Set("Cache-Control", "private, max-age=0")
	if c.xml {
		h.Set("Content-Type", "application/xml; charset=UTF-8")
		// Marshalling strings replaces characters that XML cannot hold.
		body, merr := xml.Marshal(gcsXMLError{Code: e.code, Message: e.message, Details: e.details})
		w.WriteHeader(e.status)
		if merr == nil && r.Method != http.MethodHead {
			_, _ = w.Write([]byte("<?xml version='1.0' encoding='UTF-8'?>"))
			_, _ = w.Write(body)
		}
		return
	}
	item := gcsErrorItem{Message: e.message, Domain: "global", Reason: e.reason, Location: e.location}
	if e.location != "" {
		item.LocationType = "header"
	}
	writeGCSJSON(w, e.status, struct {
		Error gcsErrorBody `json:"error"`
	}{gcsErrorBody{Code: e.status, Message: e.message, Errors: []gcsErrorItem{item}}})
}

// writeGCSJSON sends v, which must be marshallable.
func writeGCSJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=UTF-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

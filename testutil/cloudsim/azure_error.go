package cloudsim

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// azureError is an answer that is not a success: its status, and the code that
// goes into x-ms-error-code and the body.
type azureError struct {
	status  int
	code    string
	message string
}

func (e *azureError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func azureErr(status int, code, message string) error {
	return &azureError{status: status, code: code, message: message}
}

func azureBlobNotFound() error {
	return azureErr(http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
}

func azureConditionNotMet() error {
	return azureErr(http.StatusPreconditionFailed, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
}

func azureBadHeader(name string) error {
	return azureErr(http.StatusBadRequest, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format: "+name+".")
}

// azureDrain is how much of an unread body is taken in before an error is
// answered, so that the client reads the answer instead of a broken pipe.
const azureDrain = 16 << 20

// fail answers with an error. As the service does, it has no body for HEAD and
// for 304.
func (rq *azureRequest) fail(err error) {
	e, ok := errors.AsType[*azureError](err)
	if !ok {
		e = &azureError{http.StatusInternalServerError, "InternalError", "The server encountered an internal error."}
	}
	_, _ = io.CopyN(io.Discard, rq.r.Body, azureDrain)
	h := rq.w.Header()
	h.Set("X-Ms-Error-Code", e.code)
	if rq.r.Method == http.MethodHead || e.status == http.StatusNotModified {
		rq.reply(e.status)
		return
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<Error><Code>" + e.code + "</Code><Message>")
	_ = xml.EscapeText(&b, fmt.Appendf(nil, "%s\nRequestId:%s\nTime:%s", e.message, rq.id, rq.core.now().UTC().Format("2006-01-02T15:04:05.0000000Z")))
	b.WriteString("</Message></Error>")
	h.Set("Content-Type", "application/xml")
	rq.reply(e.status)
	_, _ = io.WriteString(rq.w, b.String())
}

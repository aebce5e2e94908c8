package cloudsim

import (
	"io"
	"net"
	"net/http"
	"net/url"
)

// azureMaxSource is the longest x-ms-copy-source, in bytes.
const azureMaxSource = 2 << 10

// azureSourceClient reads the sources of Put Blob From URL and Put Block From
// URL. It sends no Accept-Encoding, as the service does not.
func azureSourceClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}}
}

// fetch reads the source of the request, which must be on this machine.
func (rq *azureRequest) fetch(limit int64) ([]byte, http.Header, error) {
	h := rq.r.Header
	source := h.Get("X-Ms-Copy-Source")
	u, err := url.Parse(source)
	if err != nil || len(source) > azureMaxSource || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, azureBadHeader("x-ms-copy-source")
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return nil, nil, azureCannotVerify(http.StatusForbidden)
	}
	req, err := http.NewRequestWithContext(rq.r.Context(), http.MethodGet, source, nil)
	if err != nil {
		return nil, nil, azureBadHeader("x-ms-copy-source")
	}
	wantStatus := http.StatusOK
	if r := h.Get("X-Ms-Source-Range"); r != "" {
		req.Header.Set("Range", r)
		wantStatus = http.StatusPartialContent
	}
	if auth := h.Get("X-Ms-Copy-Source-Authorization"); auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := rq.sources.Do(req)
	if err != nil {
		return nil, nil, azureCannotVerify(http.StatusNotFound)
	}
	defer resp.Body.Close()
	if resp.StatusCode != wantStatus {
		return nil, nil, azureCannotVerify(resp.StatusCode)
	}
	if want := h.Get("X-Ms-Source-If-Match"); want != "" && want != resp.Header.Get("ETag") {
		return nil, nil, azureErr(http.StatusPreconditionFailed, "SourceConditionNotMet", "The source condition specified using HTTP conditional header(s) is not met.")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, nil, azureCannotVerify(http.StatusInternalServerError)
	}
	if int64(len(body)) > limit {
		return nil, nil, azureErr(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The source is too large.")
	}
	if err := rq.verify(h, "X-Ms-Source-Content-Md5", "X-Ms-Source-Content-Crc64", body); err != nil {
		return nil, nil, err
	}
	return body, resp.Header, nil
}

// azureCannotVerify passes on the status of the source, as the service does.
func azureCannotVerify(status int) error {
	if status < http.StatusBadRequest {
		status = http.StatusBadRequest
	}
	return azureErr(status, "CannotVerifyCopySource", "Could not verify the copy source within the specified time.")
}

func (rq *azureRequest) putBlobFromURL() error {
	if rq.r.Header.Get("X-Ms-Blob-Type") != "BlockBlob" {
		return azureErr(http.StatusBadRequest, "InvalidHeaderValue", "This server does not serve Copy Blob; Put Blob From URL needs x-ms-blob-type.")
	}
	body, source, err := rq.fetch(azureMaxPutBlob)
	if err != nil {
		return err
	}
	o := NewObject(rq.blob, body)
	if err := rq.attributes(o); err != nil {
		return err
	}
	if rq.r.Header.Get("X-Ms-Copy-Source-Blob-Properties") != "false" {
		for name, field := range map[string]*string{
			"Content-Type":        &o.ContentType,
			"Cache-Control":       &o.CacheControl,
			"Content-Encoding":    &o.ContentEncoding,
			"Content-Language":    &o.ContentLanguage,
			"Content-Disposition": &o.ContentDisposition,
		} {
			if rq.r.Header.Get("X-Ms-Blob-"+name) == "" && source.Get(name) != "" {
				*field = source.Get(name)
			}
		}
	}
	return rq.store(o)
}

func (rq *azureRequest) putBlockFromURL() error {
	if n := rq.r.ContentLength; n != 0 {
		return azureBadHeader("Content-Length")
	}
	body, _, err := rq.fetch(azureMaxBlock)
	if err != nil {
		return err
	}
	return rq.stage(body)
}

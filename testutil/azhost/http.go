package azhost

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// ServeHTTP is the app's own endpoint with one HTTP trigger: it forwards the
// request as it is, or invokes the function with it.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, err := url.Parse(h.url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if h.opts.ForwardHTTP {
		proxy := &httputil.ReverseProxy{
			Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(target) },
			Transport: h.client.Transport,
		}
		proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, err := h.invoke(r.Context(), webhookFunction, request{
		Data: map[string]any{"req": map[string]any{
			"Url": r.URL.String(), "Method": r.Method, "Query": r.URL.Query(), "Headers": r.Header, "Params": map[string]string{}, "Identities": []string{},
			"Body": string(body),
		}},
		Metadata: map[string]any{"Headers": r.Header, "sys": system(webhookFunction)},
	})
	if err != nil {
		h.fail(err)
		http.Error(w, "the function failed", http.StatusInternalServerError)
		return
	}
	answer(w, res.Outputs["res"])
}

// answer writes an HTTP output binding.
func answer(w http.ResponseWriter, output json.RawMessage) {
	var res struct {
		StatusCode json.RawMessage `json:"statusCode"`
		Body       string          `json:"body"`
	}
	if json.Unmarshal(output, &res) != nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	status, err := strconv.Atoi(string(res.StatusCode))
	if err != nil {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, res.Body)
}

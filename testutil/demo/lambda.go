package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// invokePath is that of Lambda's Invoke API.
const invokePath = "/2015-03-31/functions/function/invocations"

// invokeAPI serves a handler as Lambda's Invoke API does a function (Lambda API
// reference, Invoke): the payload is the body, and an error of the function is
// a status of 200 with the header X-Amz-Function-Error.
func invokeAPI(h lambda.Handler, timeout time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+invokePath, func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 6<<20))
		if err != nil {
			http.Error(w, `{"message":"the payload cannot be read"}`, http.StatusRequestEntityTooLarge)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		answer, err := h.Invoke(ctx, payload)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			answer, _ = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": "errorString"}) // strings always encode
		}
		w.Write(answer) //nolint:errcheck // the caller is gone
	})
	return mux
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/crossfade-io/crossfade/functions/service"
)

// runtimeAPI is the variable that holds the address of Lambda's Runtime API.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// initFailed tells Lambda why the function does not start, which is what it then
// answers to callers: without it they learn the exit code only. (AWS Lambda
// developer guide, "Using the Lambda runtime API", Initialization error.)
func initFailed(ctx context.Context, api string, reason error) {
	kind := "Runtime.UnknownReason"
	if _, ok := errors.AsType[*service.ConfigError](reason); ok {
		kind = "Runtime.ConfigInvalid"
	}
	body, err := json.Marshal(map[string]any{"errorType": kind, "errorMessage": program + ": " + reason.Error(), "stackTrace": []string{}})
	if err != nil {
		return // strings always marshal
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	// Never by a proxy of the user's: the address is the sandbox's own.
	client := &http.Client{Transport: &http.Transport{}}
	if res, err := client.Do(req); err == nil { // else the log and the exit code tell
		res.Body.Close()
	}
}

package s3

import (
	"bytes"
	"context"
	"io"
	"regexp"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// illegible are references to characters that XML 1.0 cannot hold.
var illegible = regexp.MustCompile(`(?i)&#(x0*(1?[0-8bcef]|1[0-9a-f]|fff[ef])|0*([0-8]|1[124-9]|2[0-9]|3[01]|6553[45]));`)

const maxErrorBody = 64 << 10

// repeatsKey are the operations whose answers name the key that was asked for,
// and may be an error document with status 200.
var repeatsKey = map[string]bool{"CreateMultipartUpload": true, "CompleteMultipartUpload": true}

// legible makes documents readable that name a key with control characters.
// The SDK could not tell NoSuchKey from NoSuchBucket in an error, and would take
// a begun or completed upload for failed. A listing, whose keys must be exact, is
// never touched.
func legible(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("crossfade.Legible",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			resp, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || resp.StatusCode < 300 && !repeatsKey[awsmiddleware.GetOperationName(ctx)] || resp.Body == nil {
				return out, meta, err
			}
			b, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
			if err != nil {
				return out, meta, err
			}
			resp.Body.Close()
			resp.Body = io.NopCloser(bytes.NewReader(illegible.ReplaceAll(b, []byte("\uFFFD"))))
			return out, meta, nil
		}), middleware.After)
}

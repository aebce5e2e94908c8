package idsim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// session is the session token of the process's own role, and of the role that
// it assumes: as the real ones, base64.
func (w *World) session() string {
	return strings.Repeat("IQoJb3JpZ2luX2VjEDoaCWV1LXdlc3QtMSJHMEUCIQDk/9x", 6) + "=="
}

const (
	assumedKeyID  = "ASIAASSUMEDASSUMED01"
	assumedSecret = "assumed/Secret5Key6Of7The8Role9"
)

// serveSTS is AWS STS ("AWS Security Token Service API Reference").
func (w *World) serveSTS(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.stsError(rw, http.StatusBadRequest, "MalformedQueryString", err.Error())
		return
	}
	fail := func(status int, code, message string) { w.stsError(rw, status, code, message) }
	switch r.Form.Get("Action") {
	case "AssumeRoleWithWebIdentity":
		if w.refused(rw, "sts", r.Form.Get("WebIdentityToken"), fail) {
			return
		}
		if err := w.trusts(r.Form.Get("RoleArn"), r.Form.Get("WebIdentityToken")); err != nil {
			w.note("sts refused")
			fail(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity: "+err.Error())
			return
		}
		w.note("sts gave credentials to " + r.Form.Get("RoleSessionName"))
		w.mu.Lock()
		lifetime := w.lifetime
		w.mu.Unlock()
		fmt.Fprintf(rw, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/crossfade-replicate/crossfade</Arn><AssumedRoleId>AROA:crossfade</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			assumedKeyID, assumedSecret, w.session(), time.Now().Add(lifetime).UTC().Format(time.RFC3339))
	case "GetWebIdentityToken":
		if w.refused(rw, "token", r.Header.Get("X-Amz-Security-Token")+" "+r.Header.Get("Authorization"), fail) {
			return
		}
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+accessKeyID+"/") || r.Header.Get("X-Amz-Security-Token") != w.session() || r.Form.Get("SigningAlgorithm") != "RS256" {
			w.note("token refused")
			fail(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
			return
		}
		w.note("token gave one to " + OwnRole)
		fmt.Fprintf(rw, `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
<WebIdentityToken>%s</WebIdentityToken><Expiration>%s</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`,
			w.sign(awsIssuer, OwnRole, r.Form.Get("Audience.member.1")), time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339))
	default:
		fail(http.StatusBadRequest, "InvalidAction", r.Form.Get("Action"))
	}
}

// trusts is the trust policy of Role.
func (w *World) trusts(role, t string) error {
	if role != Role {
		return errors.New("no such role")
	}
	for issuer, audience := range map[string]string{gceIssuer: "sts.amazonaws.com", azureIssuer: AzureAppURI, kubernetesIssuer: "sts.amazonaws.com"} {
		if iss, sub, err := w.verify(t, audience); err == nil && iss == issuer {
			switch sub {
			case GoogleSubject, AzureSubject, kubernetesSubject:
				return nil
			}
		}
	}
	return fmt.Errorf("%s is not let in", t)
}

func (w *World) stsError(rw http.ResponseWriter, status int, code, message string) {
	rw.Header().Set("Content-Type", "text/xml")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
}

// s3 lets in the role that was assumed, and that of a process on AWS.
func (w *World) s3() http.Handler {
	face := cloudsim.NewS3(w.S3, cloudsim.S3Options{Region: Region, Credentials: map[string]string{assumedKeyID: assumedSecret, accessKeyID: secretAccessKey}})
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Security-Token") != w.session() {
			rw.WriteHeader(http.StatusForbidden)
			io.WriteString(rw, "<Error><Code>InvalidToken</Code><Message>no session</Message></Error>") //nolint:errcheck // the client will tell
			return
		}
		face.ServeHTTP(rw, r)
	})
}

// callerIdentity does what Google's token service has AWS do: it verifies the
// signature of a GetCallerIdentity request, which names the audience.
func (w *World) callerIdentity(ctx context.Context, subject, audience string) error {
	text, err := url.QueryUnescape(subject)
	if err != nil {
		return err
	}
	var doc struct {
		URL     string
		Method  string
		Headers []struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, doc.Method, doc.URL, nil)
	if err != nil {
		return err
	}
	authorization, date := "", time.Time{}
	for _, h := range doc.Headers {
		switch http.CanonicalHeaderKey(h.Key) {
		case "Authorization":
			authorization = h.Value
		case "X-Amz-Date":
			date, err = time.Parse("20060102T150405Z", h.Value)
		case "Host":
		default:
			req.Header.Set(h.Key, h.Value)
		}
	}
	sum := sha256.Sum256(nil)
	err = errors.Join(err, v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: w.session()}, req, hex.EncodeToString(sum[:]), "sts", Region, date))
	switch {
	case err != nil:
		return err
	case req.URL.Host != "sts."+Region+".amazonaws.com" || req.URL.Query().Get("Action") != "GetCallerIdentity":
		return fmt.Errorf("it asks %s", req.URL)
	case req.Header.Get("x-goog-cloud-target-resource") != audience:
		return fmt.Errorf("it is for %q", req.Header.Get("x-goog-cloud-target-resource"))
	case req.Header.Get("Authorization") != authorization:
		return fmt.Errorf("the signature of %s is wrong", subject)
	}
	return nil
}

// Package token is how a process without keys tells another cloud who it is: the
// cloud it runs on vouches for it with a signed token, which the other cloud's
// token service takes in exchange for credentials of its own. The packages below
// it each ask one cloud; the drivers do the exchange with their own SDKs, and know
// only this package, so that a program links only the clouds it needs.
package token

import "context"

// Source hands out the tokens of one identity.
type Source interface {
	// Token returns a signed JSON Web Token for an audience, fresh enough to be
	// exchanged at once. Errors are *Error, or those of the context.
	Token(ctx context.Context, audience string) (string, error)

	// String names the identity, for errors, without asking anyone.
	String() string
}

// Keys are the AWS credentials of the moment, with the region to use them in.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Region                                     string
}

// String reveals nothing.
func (Keys) String() string { return hidden }

// GoString reveals nothing either.
func (Keys) GoString() string { return hidden }

// KeySource hands out the AWS credentials of one identity, for a service that
// learns who asks from a request signed with them.
type KeySource interface {
	// Keys returns credentials that are valid now. Errors are *Error, or those
	// of the context.
	Keys(ctx context.Context) (Keys, error)
	String() string
}

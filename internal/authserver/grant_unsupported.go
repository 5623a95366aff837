package authserver

import (
	"context"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// unsupported answers every grant type that is not offered, whoever asks: fosite itself would say invalid_request.
var unsupported = fosite.TokenEndpointHandlers{unsupportedGrant{}}

var errUnsupportedGrant = iam.Refuse(iam.Invalid, "unsupported_grant_type",
	"this server does not offer that grant_type; its metadata lists those that it does under grant_types_supported")

type unsupportedGrant struct{}

func (unsupportedGrant) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}
func (unsupportedGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return true }
func (unsupportedGrant) HandleTokenEndpointRequest(context.Context, fosite.AccessRequester) error {
	return errUnsupportedGrant
}
func (unsupportedGrant) PopulateTokenEndpointResponse(context.Context, fosite.AccessRequester, fosite.AccessResponder) error {
	return errUnsupportedGrant
}

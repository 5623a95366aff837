package authserver

import (
	"context"
	"errors"
	"time"

	"github.com/ory/fosite"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// deviceCode is the grant of RFC 8628 §3.4: a device asks again and again whether its person has decided.
type deviceCode struct{ server *Server }

// The answers of RFC 8628 §3.5. Those that ask the device to go on are no refusals.
var (
	errPending  = iam.Refuse(iam.Invalid, "authorization_pending", "nobody has approved this device yet: ask again after the interval")
	errTooSoon  = iam.Refuse(iam.Invalid, "slow_down", "nobody has approved this device yet, and it asks too often: wait 5 seconds longer between two polls from now on")
	errNotTaken = iam.Refuse(iam.Invalid, "expired_token", "the device code has expired before anybody approved it: ask for a new one")
	errDenied   = iam.Refuse(iam.Forbidden, "access_denied", "the person has refused this device, or has no access with this client")
)

// waiting reports whether a device is told to ask again.
func waiting(e *iam.Error) bool { return errors.Is(e, errPending) || errors.Is(e, errTooSoon) }

const (
	// pollSlower is by how much the interval grows for a device that does not keep to it.
	pollSlower = 5 * time.Second
	// pollSlack is how much too early a poll may come: a network delivers two of them closer together than they were sent.
	pollSlack = time.Second
)

// CanHandleTokenEndpointRequest is asked after the grant type has chosen this handler.
func (deviceCode) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(string(iam.GrantDeviceCode))
}

// CanSkipClientAuth is never.
func (deviceCode) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest finds the device and answers one that has to wait, or waits in vain.
func (d deviceCode) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	s, client := d.server, r.GetClient().(fositeClient).Client
	if err := allowed(client, iam.GrantDeviceCode); err != nil {
		return err
	}
	code := r.GetRequestForm().Get("device_code")
	if code == "" {
		return iam.Refuse(iam.Invalid, "invalid_request", "the parameter device_code is missing")
	}
	id, ok := s.Handles.DeviceCoded(code)
	if !ok {
		return errGrant
	}
	var grant *iam.Grant
	var answer error
	err := s.Grants.ChangeGrant(ctx, id, func(g *iam.Grant) (write bool, err error) {
		now := s.Policy.Now()
		grant, answer = g, deviceState(g, client, now)
		if errors.Is(answer, errPending) {
			write, answer = polled(g.Device, now)
		}
		return write, nil
	})
	if err != nil {
		return err
	}
	if answer != nil {
		return answer
	}
	return s.onBehalf(ctx, r, grant)
}

// polled notes a poll of a device that has to wait, and returns what it hears. However often it asks, there are two writes at most in
// an interval: that it has asked, and that it has asked again too soon.
func polled(d *iam.DeviceGrant, now time.Time) (write bool, answer error) {
	if now.Sub(d.PolledAt) >= d.Interval-pollSlack {
		d.PolledAt, d.Hurried = now, false
		return true, errPending
	}
	if d.Hurried {
		return false, errTooSoon
	}
	d.Hurried, d.Interval = true, d.Interval+pollSlower
	return true, errTooSoon
}

// PopulateTokenEndpointResponse mints what the person has approved and spends the device code.
func (d deviceCode) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, w fosite.AccessResponder) error {
	client := r.GetClient().(fositeClient).Client
	return d.server.mintFor(ctx, r, w, func(g *iam.Grant) (bool, error) {
		if err := deviceState(g, client, d.server.Policy.Now()); err != nil {
			return false, err
		}
		g.Device.State = iam.DeviceSpent
		return true, nil
	})
}

// deviceState returns what a device hears that polls, nil when it is approved.
func deviceState(g *iam.Grant, client *iam.Client, now time.Time) error {
	switch {
	case g == nil: // the code was one of ours
		return errNotTaken
	case g.Device == nil || g.Client != client.ID || g.Device.State == iam.DeviceSpent:
		return errGrant
	case g.Device.State == iam.DeviceDenied:
		return errDenied
	case !now.Before(g.Device.ExpiresAt):
		return errNotTaken
	case g.Device.State == iam.DevicePending:
		return errPending
	}
	return nil
}

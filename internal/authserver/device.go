package authserver

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

const (
	// pollInterval is how long a device waits between two polls, at first.
	pollInterval = 5 * time.Second
	// At most so many devices are begun in the time that one waits: from one network, which is all who share an address, and for one
	// client, which is everybody who uses the program. Each is two small records until then.
	maxDevicesOfNetwork = 100
	maxDevicesOfClient  = 5000
	// deviceKept is how long the record of a device is kept beyond its code: whoever polls hears for so long what has become of it.
	deviceKept = 5 * time.Minute
	// maxAgent bounds what is kept of what a device says that it is.
	maxAgent = 120
)

// deviceAnswer is RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// deviceCode is POST /oauth/device/code (RFC 8628 §3.1): a device begins to wait for a person. What the client alone decides is decided
// here, so that nobody is asked to approve what is refused afterwards.
func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form := web.FormOf(ctx)
	client, err := s.authenticate(r)
	if err != nil {
		return err
	}
	asked, offer, err := s.deviceOffer(ctx, client, form)
	if err != nil {
		return s.denied(ctx, form, asked, err)
	}
	if err := s.admitDevice(ctx, client); err != nil {
		return err
	}
	now := s.Policy.Now()
	ends := now.Add(s.Lives.Device)
	grant := &iam.Grant{
		ID: token.NewGrantID(), Client: client.ID, CreatedAt: now, ExpiresAt: ends.Add(deviceKept),
		Scopes: offer.Scopes, Audiences: asked.Audiences, Organization: offer.Organization, Details: form.Get("authorization_details"),
		Device: &iam.DeviceGrant{
			State: iam.DevicePending, ExpiresAt: ends, Interval: pollInterval,
			Network: web.Peer(ctx).String(), Agent: cutAgent(r.UserAgent()),
		},
	}
	// The code first: one that leads nowhere harms nobody, a device that cannot be approved waits in vain.
	userCode, err := s.drawUserCode(ctx, grant)
	if err != nil {
		return err
	}
	if err := s.Grants.CreateGrant(ctx, grant); err != nil {
		return err
	}
	verify := s.Issuer + PathActivate
	body, err := json.Marshal(deviceAnswer{
		DeviceCode: s.Handles.DeviceCode(grant.ID).Reveal(), UserCode: userCode,
		VerificationURI: verify, VerificationURIComplete: verify + "?user_code=" + url.QueryEscape(userCode),
		ExpiresIn: int64(s.Lives.Device / time.Second), Interval: int64(pollInterval / time.Second),
	})
	if err != nil {
		return err
	}
	return writeJSON(w, body)
}

// deviceOffer settles what a person will be asked to let the client have. It returns what was asked, for the log of refusals, in any case.
func (s *Server) deviceOffer(ctx context.Context, client *iam.Client, form web.Form) (token.Request, *token.Offer, error) {
	asked := token.Request{
		Client: client, Grant: iam.GrantDeviceCode, Scopes: strings.Fields(form.Get("scope")), Organization: form.Get("organization"),
	}
	if err := allowed(client, iam.GrantDeviceCode); err != nil {
		return asked, nil, err
	}
	var err error
	if asked.Audiences, err = audiencesOf(form); err != nil {
		return asked, nil, err
	}
	if asked.Details, err = token.ParseDetails(form.Get("authorization_details")); err != nil {
		return asked, nil, err
	}
	offer, err := s.Policy.Offer(ctx, asked)
	return asked, offer, err
}

var errManyDevices = iam.Refuse(iam.TooMany, "too_many_devices", "too many devices wait for somebody to approve them: try again later")

// admitDevice counts a device, of its network and of its client, and refuses one too many (RFC 8628 §5.1, §5.2).
func (s *Server) admitDevice(ctx context.Context, client *iam.Client) error {
	return s.take(ctx, []quota{
		{"device-network", web.Network(ctx), iam.Limit{Most: maxDevicesOfNetwork, Window: s.Lives.Device}},
		{"device-client", string(client.ID), iam.Limit{Most: maxDevicesOfClient, Window: s.Lives.Device}},
	}, s.Policy.Now(), errManyDevices)
}

// drawUserCode gives a grant a code that no other device shows now.
func (s *Server) drawUserCode(ctx context.Context, g *iam.Grant) (string, error) {
	const attempts = 10 // two in a row are drawn twice once in a great many years
	for range attempts {
		code := newUserCode()
		free, err := s.Grants.CreateUserCode(ctx, s.Handles.UserCode(code), g.ID, g.Device.ExpiresAt)
		if err != nil {
			return "", err
		}
		if free {
			return code, nil
		}
	}
	return "", iam.Errorf(iam.Internal, "no user code is free")
}

func cutAgent(s string) string {
	if len(s) <= maxAgent {
		return s
	}
	return strings.ToValidUTF8(s[:maxAgent], "")
}

package iam

import "time"

// CommandLineID is the client_id of the program's own command line, by which people sign in with nothing but the server's address.
const CommandLineID ClientID = "gatehouse-cli"

// CommandLine returns the client of the command line as each installation begins with it: public, for people only, and with the admin
// API as the one audience. An operator may change or disable it like any other.
func CommandLine(adminAudience string, now time.Time) *Client {
	return &Client{
		ID: CommandLineID, Name: string(CommandLineID), AuthMethod: AuthNone,
		GrantTypes: []GrantType{GrantDeviceCode, GrantAuthorizationCode, GrantRefreshToken},
		Audiences:  []string{adminAudience},
		Scopes:     []string{"openid", "profile", "email", "offline_access"},
		// RFC 8252 §7.3: the port is whichever the system has free.
		RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]/callback"},
		Web:          &WebClient{ApplicationType: "native", Consent: "implicit", OrganizationSwitch: true},
		CreatedAt:    now,
	}
}

package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A golden is a record as a release wrote it, testdata/v<version>/<collection>.json, and what it means. The files are never
// changed: a new shape is a new version with files of its own.
type golden struct {
	coll   *kv.Coll
	now    int                                        // the version that is written
	check  func(t *testing.T, stored []byte)          // decodes as what it means, and encodes as it is stored
	random func(t *rapid.T)                           // any value survives
	decode func(stored []byte) (decoded any, _ error) // nil when it is refused
}

func newGolden[T any](c collection[T], means T) golden {
	return golden{
		coll: c.Coll, now: c.version,
		check: func(t *testing.T, stored []byte) {
			got, err := c.decode("id", stored)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&means, got); diff != "" {
				t.Errorf("%s (-means +decoded):\n%s", c.Name, diff)
			}
			back, err := c.encode(&means)
			if err != nil || !bytes.Equal(back, stored) {
				t.Errorf("%s is encoded as\n%s (%v), want\n%s", c.Name, back, err, stored)
			}
		},
		random: func(t *rapid.T) {
			want := rapid.MakeCustom[T](anyRecord).Draw(t, c.Name)
			stored, err := c.encode(&want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.decode("id", stored)
			if err != nil {
				t.Fatalf("%v: %s", err, stored)
			}
			if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-stored +decoded):\n%s", stored, diff)
			}
		},
		decode: func(stored []byte) (any, error) {
			v, err := c.decode("id", stored)
			if v == nil {
				return nil, err
			}
			return v, err
		},
	}
}

// anyRecord makes values of the types that reflection cannot fill.
var anyRecord = rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
	reflect.TypeFor[time.Time](): rapid.Map(rapid.Int64Range(-62135596800, 253402300799), func(s int64) any {
		return time.Unix(s, s&0xfffffff).UTC()
	}),
	reflect.TypeFor[json.RawMessage](): rapid.Map(rapid.IntRange(0, 1e9), func(n int) any {
		return json.RawMessage(fmt.Sprintf(`{"seq":%d}`, n))
	}),
	reflect.TypeFor[map[string]any](): rapid.Map(rapid.MapOf(rapid.String(), rapid.Float64Range(-1e9, 1e9)), func(m map[string]float64) any {
		claims := map[string]any{"nested": map[string]any{"list": []any{"a", true, nil}}}
		for k, v := range m {
			claims[k] = v
		}
		return claims
	}),
}}

var at = time.Date(2026, 3, 1, 12, 30, 0, 500_000_000, time.UTC)

var goldens = []golden{
	newGolden(grants, iam.Grant{
		ID: "g_1", Client: "app", User: "u_1", CreatedAt: at, ExpiresAt: at.Add(time.Hour), Scopes: []string{"openid"},
		Audiences: []string{"https://hub.example/api"}, Organization: "n_1", Details: "[]", Claims: "{}", Nonce: "n", JKT: "t",
		AuthTime: at, ACR: "1", AMR: []string{"pwd"}, SessionID: "sid_1",
		Code:    &iam.CodeGrant{RedirectURI: "https://app.example/cb", Challenge: "c", ExpiresAt: at.Add(time.Minute), SpentAt: at},
		Device:  &iam.DeviceGrant{State: iam.DeviceSpent, ExpiresAt: at, Interval: 5 * time.Second, PolledAt: at, Hurried: true, Network: "192.0.2.1", Agent: "cli"},
		Refresh: &iam.RefreshFamily{Generation: 3, TurnedAt: at, IdleEndsAt: at.Add(time.Hour), EndsAt: at.Add(2 * time.Hour)},
	}),
	newGolden(userGrants, iam.UserGrant{ID: "g_1", Client: "app", SessionID: "sid_1", Device: true, Offline: true, CreatedAt: at}),
	newGolden(sessions, iam.Session{
		ID: "sid_1", User: "u_1", Hash: "h", AuthTime: at, ACR: "1", AMR: []string{"pwd"}, Connector: "github", CreatedAt: at, SeenAt: at,
		EndsAt: at.Add(time.Hour), Network: "192.0.2.1", Agent: "browser", Clients: []iam.ClientID{"app"},
	}),
	newGolden(userSessions, ref{ID: "sid_1"}),
	newGolden(consents, iam.Consent{Client: "app", Scopes: []string{"openid"}, At: at}),
	newGolden(onces, none{}),
	newGolden(userCodes, ref{ID: "AAECAwQFBgcICQoL"}),
	newGolden(tallies, tally{Newest: 29_000_000, Counts: []int{1, 0, 3}}),
	newGolden(pushedRequests, iam.PushedRequest{
		Client: "app", Form: map[string][]string{"scope": {"openid"}, "state": {"s"}}, EndsAt: at, KeptUntil: at.Add(time.Hour),
	}),
	newGolden(links, iam.Link{
		ID: "l_1", Purpose: iam.LinkInvitation, Hash: "h", User: "u_1", Email: "ann@acme.example", Mailed: true, Node: "n_1", InvitedAt: at,
		CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}),
	newGolden(installations, Installation{
		ID: "i_k3q7x2m5v6t4p2aa", Dev: true, Seeded: true, Issuer: "https://id.example", Pepper: []byte("sealed"), CreatedAt: at,
	}),
	newGolden(signingKeys, SigningKey{ID: "kid", Sealed: []byte{0, 1, 0xff}}),
	newGolden(nodes, iam.Node{
		ID: "n_1", Parent: "n_0", Level: iam.LevelOrganization, Kind: "team", Name: "acme", DisplayName: "Acme <& Söhne>", Model: "floxhub",
		Settings: map[string]string{"visibility": "public"}, Seats: 5, Disabled: true, CreatedAt: at,
	}),
	newGolden(nodeNames, ref{ID: "n_1"}),
	newGolden(children, none{}),
	newGolden(users, iam.User{
		ID: "u_1", Name: "ann", Email: "ann@acme.example", EmailVerified: true, PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$a2V5",
		Claims: map[string]any{"address": map[string]any{"country": "CH"}, "birthdate": "1990-01-01"}, PlatformRole: iam.Operator, Disabled: true, CreatedAt: at,
		ProfileChangedAt: at.Add(time.Hour),
	}),
	newGolden(userNames, ref{ID: "u_1"}),
	newGolden(groups, iam.Group{ID: "g_1", Node: "n_1", Name: "team", CreatedAt: at}),
	newGolden(groupNames, ref{ID: "g_1"}),
	newGolden(groupMembers, none{}),
	newGolden(clients, iam.Client{
		ID: "ci", Name: "ci", Organization: "n_1", Disabled: true, PlatformRole: iam.Auditor,
		GrantTypes: []iam.GrantType{iam.GrantClientCredentials, iam.GrantAuthorizationCode}, AuthMethod: iam.AuthPost, StrictAuthMethod: true,
		Secrets: []iam.Secret{
			{ID: "s_1", Name: "old", Hash: "v1$hmac-sha256$pepperid$mac", CreatedAt: at, ExpiresAt: at.Add(time.Hour)},
			{ID: "s_2", Name: "new", Hash: "v1$hmac-sha256$pepperid$cam", CreatedAt: at},
		},
		Audiences: []string{"https://hub.example/api"}, Scopes: []string{"read"}, RedirectURIs: []string{"https://app.example/cb"},
		Web: &iam.WebClient{
			ApplicationType: "web", PostLogoutRedirectURIs: []string{"https://app.example/"}, BackchannelLogoutURI: "https://app.example/out",
			AllowedOrigins: []string{"https://app.example"}, IDTokenSigningAlg: "RS256", OptionalPKCE: true, Consent: "implicit",
			Organization: "required", OrganizationSwitch: true,
		},
		CreatedAt: at,
	}),
	newGolden(clientNames, ref{ID: "ci"}),
	newGolden(origins, originUse{Clients: 2}),
	newGolden(audiences, iam.Audience{
		Identifier: "https://hub.example/api", Name: "hub", TokenLifetime: 5 * time.Minute, SigningAlg: "RS256", Scopes: []string{"read"},
		ResourceServers: []iam.ClientID{"hub-api"}, CreatedAt: at,
	}),
	newGolden(audienceNames, ref{ID: "https://hub.example/api"}),
	newGolden(assignments, assignment{Roles: []iam.RoleID{"writer", "reader"}, Suspended: true, Invitation: &iam.Invitation{
		By: iam.UserID("u_1").Subject(), At: at, ExpiresAt: at.Add(time.Hour), Waits: "seat_limit_reached",
	}}),
	newGolden(logins, iam.Login{Connector: "github", Subject: "583231", Name: "octocat", User: "u_1", LinkedAt: at}),
	newGolden(loginNames, loginName{User: "u_1", Subject: "583231"}),
	newGolden(userLogins, none{}),
	newGolden(holdings, Holding{Nodes: []iam.NodeID{"n_1", "n_2"}, Groups: []iam.GroupID{"g_1"}}),
	newGolden(debts, debt{Kind: iam.RevokedMember, ID: "n_1/u_1"}),
	newGolden(customRoles, roleSet{Roles: []*iam.CustomRole{
		{ID: "auditor", Node: "n_1", Level: iam.LevelOrganization, Base: "reader", Permissions: []iam.Permission{"org_view", "audit_view"}},
	}}),
	newGolden(models, Model{
		Name: "gears", Revision: 3, Hash: "h1", Frozen: &Freeze{By: "f_1", Until: at.Add(time.Minute)}, CreatedAt: at, ChangedAt: at.Add(time.Hour),
	}),
	newGolden(modelNames, ref{ID: "gears"}),
	newGolden(modelSources, ModelSource{Hash: "h1", Source: []byte("model: gears\n")}),
	newGolden(modelTrees, none{}),
	newGolden(migrations, Migration{
		ID: "m_1", Node: "n_1", Source: "flowx-4", Items: 101, By: iam.Subject{Kind: iam.SubjectUser, ID: "u_1"}, CreatedAt: at,
	}),
	newGolden(migrationParts, migrationPart{Node: "n_1", Items: []MigrationItem{{
		Subject: iam.Subject{Kind: iam.SubjectUser, ID: "u_2"}, Holder: "bob", Old: "FLOWX_CONFIGURATOR", State: MigrationRefused,
		Choices: []MigrationChoice{{Role: "workspace_user", Level: "workspace"}}, Role: "workspace_user", Node: "n_2", Code: "forbidden", Reason: "no",
	}}}),
	newGolden(reviews, iam.Review{
		ID: "rv_1", Node: "n_1", Name: "spring", Due: at.Add(24 * time.Hour), OpenedAt: at, OpenedBy: iam.UserID("u_1").Subject(), Listed: true,
		ClosedAt: at.Add(time.Hour), ClosedBy: iam.ClientID("ci").Subject(), Lines: 4, Confirmed: 1, Withdrawn: 1, Lapsed: 1,
		Hints: []iam.Hint{{Code: "one_top_holder", Node: "n_1", Detail: "only one holds the role owner"}},
	}),
	newGolden(reviewBlocks, reviewBlock{Lines: []iam.ReviewLine{
		{
			Node: "n_1", Path: "acme", Subject: iam.UserID("u_1").Subject(), Name: "ann", Group: "g_1", Via: "team", Roles: []iam.RoleID{"writer"}, LastUsed: at,
			Mark: &iam.ReviewMark{State: iam.LineConfirmed, By: iam.UserID("u_2").Subject(), At: at, Comment: "still on the team"},
		},
		{
			Node: "n_1", Path: "acme", Subject: iam.UserID("u_2").Subject(), Roles: []iam.RoleID{"owner"},
			Refused: &iam.ReviewFault{Code: "last_holder", Detail: "the last owner", By: iam.UserID("u_2").Subject(), At: at},
		},
	}}),
	newGolden(revocations, mark{Kind: iam.RevokedClient, ID: "ci", NotBefore: 1772368200, ExpiresAt: 1772454600}),
	newGolden(auditLines, auditBatch{Lines: []json.RawMessage{json.RawMessage(`{"seq":1}`)}}),
	newGolden(auditHeads, AuditHead{Seq: 7, Hash: "aa", Time: at, MAC: "mac"}),
	newGolden(clientSecrets, secretHolders{Clients: []iam.ClientID{"ci"}}),
	newGolden(intents, Intent{Print: "p", Claim: "c", Answer: []byte("sealed")}),
	newGolden(failures, iam.FailedAuthentications{
		Organization: "n_1", Subject: "client:ci", Network: "2001:db8::/64", Minute: at.Truncate(time.Minute), First: at, Last: at.Add(time.Second), Count: 7,
	}),
	newGolden(uses, use{At: at}),
	newGolden(denials, iam.DeniedRequest{
		RequestID: "4cdd798f2bcaf23f", At: at, Client: "ci", Home: "n_1", Subject: iam.Subject{Kind: iam.SubjectUser, ID: "u_1"}, Grant: iam.GrantClientCredentials,
		Asked: iam.TokenAsked{Organization: "acme", Audiences: []string{"https://hub.example/api"}, Scope: "read", Details: "[]"}, Code: "access_denied", Message: "no role",
	}),
	newGolden(connectors, iam.Connector{
		Name: "github", Type: iam.ConnectorGitHub, DisplayName: "GitHub", Issuer: "https://github.example", ClientID: "Iv1.8a61f9b3a7aba766", Sealed: []byte("sealed"),
		Scopes: []string{"read:user"}, SignUp: iam.SignUpMapped, LinkAddress: true, AllowedOrganizations: []string{"9919"},
		Mappings:  []iam.ConnectorMapping{{Claim: "groups", Value: "acme/eng", Node: "n_1", Role: "writer", Group: "eng"}},
		StrongACR: []string{"urn:mfa"}, StrongAMR: []string{"mfa"}, ReauthenticateAfter: 24 * time.Hour, Disabled: true, CreatedAt: at,
	}),
	newGolden(mappedRoles, iam.MappedRoles{Roles: []iam.MappedRole{{Node: "n_1", Role: "writer"}}, Groups: []iam.MappedGroup{{Group: "g_1"}}}),
	newGolden(deniedAt, ref{ID: "4cdd798f2bcaf23f"}),
	newGolden(leases, leader{Holder: "r_k3q7x2m5v6t4p2aa"}),
}

func stored(t *testing.T, g golden) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d", g.now), g.coll.Name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(data, []byte("\n"))
}

// What the first release wrote is read as what it meant, and written as the same bytes.
func TestGoldenRecordsDecode(t *testing.T) {
	for _, g := range goldens {
		g.check(t, stored(t, g))
	}
	seen := byName( // those that are not in the directory
		revocations.Coll, leases.Coll, intents.Coll, failures.Coll, uses.Coll, denials.Coll, deniedAt.Coll,
		grants.Coll, userGrants.Coll, sessions.Coll, userSessions.Coll, consents.Coll, onces.Coll,
		userCodes.Coll, tallies.Coll, pushedRequests.Coll, links.Coll)
	maps.Copy(seen, collectionNamed)
	for _, g := range goldens {
		if seen[g.coll.Name] == nil {
			t.Errorf("the directory's log does not know %s, or it has two golden records", g.coll.Name)
		}
		delete(seen, g.coll.Name)
	}
	for name := range seen {
		t.Errorf("%s has no golden record", name)
	}
}

// What an older release wrote is read as what it meant.
func TestOlderRecordsDecode(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "v1", "assign.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := assignments.decode("id", data)
	if err != nil {
		t.Fatal(err)
	}
	want := &assignment{Roles: []iam.RoleID{"writer", "reader"}, Suspended: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assign of version 1 (-means +decoded):\n%s", diff)
	}
}

// Any value of any collection is what it was after it was stored.
func TestRecordsSurviveStorage(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.coll.Name, rapid.MakeCheck(g.random))
	}
}

// A record of a newer version, a damaged one and one that is none are refused, never read as something else.
func TestUnreadableRecordsAreRefused(t *testing.T) {
	for _, g := range goldens {
		good := stored(t, g)
		version := fmt.Appendf(nil, `{"v":%d`, g.now)
		good = bytes.Replace(good, version, []byte(`{"v":1`), 1)
		newer := bytes.Replace(good, []byte(`{"v":1`), fmt.Appendf(nil, `{"v":%d`, g.now+1), 1)
		if v, err := g.decode(newer); v != nil || !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), "newer Gatehouse") {
			t.Errorf("%s of the next version: got %+v, %v, want it refused as a newer one's", g.coll.Name, v, err)
		}
		for _, bad := range [][]byte{
			nil, []byte("{}"), []byte("null"), []byte(`{"v":`), good[1:], good[:len(good)-1], good[:len(good)/2], append(bytes.Clone(good), '}'),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"v":0`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"v":-1`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"v":"1"`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"v":1.0`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"v":99999999999999999999`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`{"w":1`), 1),
			bytes.Replace(good, []byte(`{"v":1`), []byte(`[1`), 1),
		} {
			if v, err := g.decode(bad); v != nil || !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("%s %q: got %+v, %v, want it refused as corrupt", g.coll.Name, bad, v, err)
			}
		}
	}
}

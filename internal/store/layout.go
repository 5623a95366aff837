package store

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The key layout: what lies in which unit, under which identifier. Nothing outside this file builds a key.

// directoryUnit returns the unit that holds an organization's records. It is one for all today, so that an invariant over several
// organizations is one transaction; sharding by organization later is a change here.
func directoryUnit() kv.Unit { return "d" }

// revocationUnit holds the marks that introspection reads and the log that verifiers follow.
const revocationUnit kv.Unit = "rev"

// intentUnit holds the requests that callers have named: spread by the hash that is their id, so that a cluster shares them out.
func intentUnit(id string) kv.Unit { return kv.Unit("idem:" + id[:1]) }

// activityUnit holds what was used and what was refused: counts that end by themselves, which no invariant reads.
const activityUnit kv.Unit = "act"

// leaseUnit holds who leads a periodic duty.
const leaseUnit kv.Unit = "lead"

// grantUnit holds one grant. The tokens of a grant carry its id, so its place is known without a look.
func grantUnit(id string) kv.Unit { return kv.Unit("g:" + id) }

// sessionUnit holds one session of a browser.
func sessionUnit(id string) kv.Unit { return kv.Unit("s:" + id) }

// userUnit holds what belongs to one person and is no part of the directory: consents, lists of sessions and grants.
func userUnit(id iam.UserID) kv.Unit { return kv.Unit("u:" + string(id)) }

// onceUnit holds one thing that is used once.
func onceUnit(kind, hash string) kv.Unit { return kv.Unit("n:" + kind + ":" + hash) }

// userCodeUnit holds which grant a user code is of.
func userCodeUnit(hash string) kv.Unit { return kv.Unit("uc:" + hash) }

// tallyUnit holds how often something was done of late, by one key: an address, a client, a person.
func tallyUnit(kind, hash string) kv.Unit { return kv.Unit("t:" + kind + ":" + hash) }

// noticeUnit holds whom to tell of ended sessions: together, so that whoever looks for what is due reads one list.
const noticeUnit kv.Unit = "bl"

// pushedUnit holds one pushed authorization request.
func pushedUnit(hash string) kv.Unit { return kv.Unit("n:par:" + hash) }

// linkUnit holds one one-time link.
func linkUnit(id string) kv.Unit { return kv.Unit("n:ot:" + id) }

// hashID makes an id of what may be anything and is not to be kept.
func hashID(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// The collections of people's sessions and grants.
var (
	grants       = collection[iam.Grant]{Coll: &kv.Coll{Name: "grant", Ephemeral: true}, version: 1}                        // grant id
	userGrants   = collection[iam.UserGrant]{Coll: &kv.Coll{Name: "usergrant", Indexed: true, Ephemeral: true}, version: 1} // grant id
	sessions     = collection[iam.Session]{Coll: &kv.Coll{Name: "session", Ephemeral: true}, version: 1}                    // session id
	userSessions = collection[ref]{Coll: &kv.Coll{Name: "usersession", Indexed: true, Ephemeral: true}, version: 1}         // session id
	consents     = collection[iam.Consent]{Coll: &kv.Coll{Name: "consent", Indexed: true}, version: 1}                      // client id
	onces        = collection[none]{Coll: &kv.Coll{Name: "once", Ephemeral: true}, version: 1}                              // hash
	userCodes    = collection[ref]{Coll: &kv.Coll{Name: "usercode", Ephemeral: true}, version: 1}                           // keyed hash
	tallies      = collection[tally]{Coll: &kv.Coll{Name: "tally", Ephemeral: true}, version: 1}                            // hash
	// hash of session and client
	logoutNotices = collection[iam.LogoutNotice]{Coll: &kv.Coll{Name: "notice", Indexed: true, Ephemeral: true}, version: 1}
)

// pushedRequests are authorization requests that clients have sent ahead, by the hash of their names.
var pushedRequests = collection[iam.PushedRequest]{Coll: &kv.Coll{Name: "pushed", Ephemeral: true}, version: 1}

// links are one-time links, by id.
var links = collection[iam.Link]{Coll: &kv.Coll{Name: "link", Ephemeral: true}, version: 1}

// The collections of the directory. An id built from several parts joins them with '/', which none but the last contains.
var (
	installations  = collection[Installation]{Coll: &kv.Coll{Name: "meta"}, version: 1}                        // "installation"
	signingKeys    = collection[SigningKey]{Coll: &kv.Coll{Name: "key", Indexed: true}, version: 1}            // kid
	nodes          = collection[iam.Node]{Coll: &kv.Coll{Name: "node"}, version: 1}                            // node id
	nodeNames      = collection[ref]{Coll: &kv.Coll{Name: "nodename", Indexed: true}, version: 1}              // scope/name
	children       = collection[none]{Coll: &kv.Coll{Name: "child", Indexed: true}, version: 1}                // parent/node
	users          = collection[iam.User]{Coll: &kv.Coll{Name: "user"}, version: 1}                            // user id
	userNames      = collection[ref]{Coll: &kv.Coll{Name: "username", Indexed: true}, version: 1}              // name
	groups         = collection[iam.Group]{Coll: &kv.Coll{Name: "group"}, version: 1}                          // group id
	groupNames     = collection[ref]{Coll: &kv.Coll{Name: "groupname", Indexed: true}, version: 1}             // node/name
	groupMembers   = collection[none]{Coll: &kv.Coll{Name: "groupmember", Indexed: true}, version: 1}          // group/user
	clients        = collection[iam.Client]{Coll: &kv.Coll{Name: "client"}, version: 1}                        // client id
	clientNames    = collection[ref]{Coll: &kv.Coll{Name: "clientname", Indexed: true}, version: 1}            // scope/name
	clientSecrets  = collection[secretHolders]{Coll: &kv.Coll{Name: "secretof"}, version: 1}                   // beginning of a keyed hash
	origins        = collection[originUse]{Coll: &kv.Coll{Name: "origin"}, version: 1}                         // hash of an origin
	audiences      = collection[iam.Audience]{Coll: &kv.Coll{Name: "audience"}, version: 1}                    // identifier
	audienceNames  = collection[ref]{Coll: &kv.Coll{Name: "audname", Indexed: true}, version: 1}               // name
	assignments    = collection[assignment]{Coll: &kv.Coll{Name: "assign", Indexed: true}, version: 2}         // node/subject
	debts          = collection[debt]{Coll: &kv.Coll{Name: "debt", Indexed: true}, version: 1}                 // kind:id
	holdings       = collection[Holding]{Coll: &kv.Coll{Name: "holding"}, version: 1}                          // subject
	customRoles    = collection[roleSet]{Coll: &kv.Coll{Name: "customrole"}, version: 1}                       // node id
	auditLines     = collection[auditBatch]{Coll: &kv.Coll{Name: "audit", Indexed: true}, version: 1}          // stream/number
	auditHeads     = collection[AuditHead]{Coll: &kv.Coll{Name: "audithead", Indexed: true}, version: 1}       // stream
	models         = collection[Model]{Coll: &kv.Coll{Name: "model"}, version: 1}                              // name
	modelNames     = collection[ref]{Coll: &kv.Coll{Name: "modelname", Indexed: true}, version: 1}             // name
	modelSources   = collection[ModelSource]{Coll: &kv.Coll{Name: "modelsource"}, version: 1}                  // name
	modelTrees     = collection[none]{Coll: &kv.Coll{Name: "modeltree", Indexed: true}, version: 1}            // model/root
	migrations     = collection[Migration]{Coll: &kv.Coll{Name: "migration", Indexed: true}, version: 1}       // node/id
	migrationParts = collection[migrationPart]{Coll: &kv.Coll{Name: "migrationpart"}, version: 1}              // migration/number
	revocations    = collection[mark]{Coll: &kv.Coll{Name: "rev", Indexed: true, Ephemeral: true}, version: 1} // kind:id
	intents        = collection[Intent]{Coll: &kv.Coll{Name: "intent", Ephemeral: true}, version: 1}           // hash of caller and key
	leases         = collection[leader]{Coll: &kv.Coll{Name: "lease", Ephemeral: true}, version: 1}            // duty
	reviews        = collection[iam.Review]{Coll: &kv.Coll{Name: "review", Indexed: true}, version: 1}         // node/review
	reviewBlocks   = collection[reviewBlock]{Coll: &kv.Coll{Name: "reviewblock", Indexed: true}, version: 1}   // review/number
)

// The collections of activity.
var (
	// scope/minute/subject/network/replica
	failures = collection[iam.FailedAuthentications]{Coll: &kv.Coll{Name: "failure", Indexed: true, Ephemeral: true}, version: 1}
	// secret/client/id and subject/node/subject
	uses = collection[use]{Coll: &kv.Coll{Name: "use", Ephemeral: true}, version: 1}
	// request id
	denials = collection[iam.DeniedRequest]{Coll: &kv.Coll{Name: "denied", Ephemeral: true}, version: 1}
	// scope/minute/request id
	deniedAt = collection[ref]{Coll: &kv.Coll{Name: "deniedat", Indexed: true, Ephemeral: true}, version: 1}
)

// The collections of people's accounts at upstream providers.
var (
	logins      = collection[iam.Login]{Coll: &kv.Coll{Name: "login"}, version: 1}                        // connector/subject
	loginNames  = collection[loginName]{Coll: &kv.Coll{Name: "loginname"}, version: 1}                    // connector/name
	userLogins  = collection[none]{Coll: &kv.Coll{Name: "userlogin", Indexed: true}, version: 1}          // user/connector/subject
	connectors  = collection[iam.Connector]{Coll: &kv.Coll{Name: "connector", Indexed: true}, version: 1} // name
	mappedRoles = collection[iam.MappedRoles]{Coll: &kv.Coll{Name: "mapped"}, version: 1}                 // connector/subject
)

const installationID = "installation"

// A ref is what a name index points at.
type ref struct {
	ID string `json:"id"`
}

// none is the value of a record that says all in its id.
type none struct{}

// platform is the scope of names that belong to no organization.
const platform = "-"

func join(parts ...string) string { return strings.Join(parts, "/") }

// nodeScope is where a node's name is unique: across the installation for an organization and for a root, below its parent otherwise.
func nodeScope(n *iam.Node) string {
	if n.Level == iam.LevelOrganization || n.Parent == "" {
		return platform
	}
	return string(n.Parent)
}

func clientScope(org iam.NodeID) string {
	if org == "" {
		return platform
	}
	return string(org)
}

func assignmentID(n iam.NodeID, s iam.Subject) string { return join(string(n), s.String()) }

// collectionNamed finds the collection of a change by its name.
var collectionNamed = byName(installations.Coll, signingKeys.Coll, nodes.Coll, nodeNames.Coll, children.Coll, users.Coll, userNames.Coll,
	groups.Coll, groupNames.Coll, groupMembers.Coll, clients.Coll, clientNames.Coll, clientSecrets.Coll, origins.Coll, audiences.Coll, audienceNames.Coll,
	assignments.Coll, holdings.Coll, debts.Coll, customRoles.Coll, auditLines.Coll, auditHeads.Coll, models.Coll, modelNames.Coll,
	modelSources.Coll, modelTrees.Coll, migrations.Coll, migrationParts.Coll, reviews.Coll, reviewBlocks.Coll,
	logins.Coll, loginNames.Coll, userLogins.Coll, connectors.Coll, mappedRoles.Coll)

func byName(colls ...*kv.Coll) map[string]*kv.Coll {
	m := make(map[string]*kv.Coll, len(colls))
	for _, c := range colls {
		m[c.Name] = c
	}
	return m
}

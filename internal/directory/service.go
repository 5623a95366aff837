package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A Service changes the directory and shows it.
type Service struct {
	Store   *store.Store
	Secrets *secret.Hasher
	// Audit signs where the streams of the audit log end.
	Audit audit.Key
	// OwnerRequest refuses an operator's change inside an organization unless By names one of its owners, who asked for it.
	OwnerRequest bool
	Models       *Models
	// Algorithms are those that the installation has keys for.
	Algorithms []keys.Alg
	Issuer     string
	// Sealer seals the secrets of connectors.
	Sealer *keys.Sealer
	// Revoke ends the tokens issued so far to what ref names, and returns when that is durable.
	Revoke func(ctx context.Context, ref iam.RevocationRef) error
	Now    func() time.Time
	// Denied returns why a token request of an authenticated client was denied, by its request id; nil when it is not known. Without
	// it, none is.
	Denied func(ctx context.Context, requestID string) (*apiv1.TokenDenial, error)
	// SubjectUsed returns when a subject was last seen in an organization, zero for never. nil: nobody keeps that.
	SubjectUsed func(ctx context.Context, org iam.NodeID, s iam.Subject) (time.Time, error)
	// LastUsed returns when secrets of a client were last used, of those of which that is known. nil: of none.
	LastUsed func(ctx context.Context, client iam.ClientID, secrets ...iam.SecretID) (map[iam.SecretID]time.Time, error)
}

// An Expect says what a change may meet. ETag, when it is not "", is the version that the caller decided on; "*" is any.
type Expect struct {
	exists bool
	absent bool
	ETag   string
}

var (
	toCreate = Expect{absent: true}
	either   = Expect{}
)

// Existing is the Expect of an update: the resource is there and, with an etag, still what the caller has read.
func Existing(etag string) Expect { return Expect{exists: true, ETag: etag} }

// check refuses what was not expected. tag is that of what is there.
func (e Expect) check(exists bool, what, name, tag string) error {
	switch {
	case e.absent && exists:
		return iam.Refuse(iam.Conflict, "name_taken", "%s %q exists already", what, name)
	case e.exists && !exists:
		return missing(what, name)
	case e.ETag != "" && e.ETag != "*" && e.ETag != tag:
		return iam.Errorf(iam.Stale, "%s %q was changed since it was read: read it again", what, name)
	}
	return nil
}

func missing(what, name string) error {
	return iam.Errorf(iam.NotFound, "there is no %s %q", what, name)
}

// etag names a version of what it is given, which is all that the resource shows.
func etag(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("what the API shows always marshals: %v", err))
	}
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// diff is what a step changes: nothing when action is "".
type diff struct {
	action string
	fields []string
}

// changed compares two specs as the API shows them.
func changed(before, after any) []string {
	b, a := members(before), members(after)
	var out []string
	for name := range maps.Keys(a) {
		if !reflect.DeepEqual(a[name], b[name]) {
			out = append(out, name)
		}
	}
	for name := range maps.Keys(b) {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func members(v any) map[string]any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("what the API shows always marshals: %v", err))
	}
	m := map[string]any{}
	if err := json.Unmarshal(data, &m); err != nil {
		panic(fmt.Sprintf("what the API shows is an object: %v", err))
	}
	return m
}

// faults collects everything that is wrong with one request. The code of the first is that of all.
type faults struct {
	code   string
	fields []iam.Field
}

func (f *faults) add(path, format string, args ...any) { f.refuse("invalid", path, format, args...) }

func (f *faults) refuse(code, path, format string, args ...any) {
	if len(f.fields) == 0 {
		f.code = code
	}
	f.fields = append(f.fields, iam.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

// take adds what err, if it is a refusal, says about path.
func (f *faults) take(path string, err error) {
	var e *iam.Error
	if errors.As(err, &e) {
		f.refuse(e.Code, path, "%s", e.Message)
	}
}

func (f *faults) err() error {
	switch len(f.fields) {
	case 0:
		return nil
	case 1:
		e := iam.Refuse(iam.Invalid, f.code, "%s: %s", f.fields[0].Path, f.fields[0].Message)
		e.Fields = f.fields
		return e
	}
	e := iam.Refuse(iam.Invalid, f.code, "%d fields cannot be as they are", len(f.fields))
	e.Fields = f.fields
	return e
}

// generatedID is the form of identifiers, which no name may have: a reference is an id or a name.
var generatedID = regexp.MustCompile(`^[a-z]+_[a-z2-7]{16}$`)

func checkName(what, name string) error {
	if generatedID.MatchString(name) {
		return iam.Errorf(iam.Invalid, "%s %q: reads like an identifier; choose another name", what, name)
	}
	return iam.CheckName(what, name)
}

// checkText refuses what should not stand in a page, a terminal or a log.
func checkText(f *faults, path, text string, most int) {
	if len(text) > most {
		f.add(path, "%d bytes are more than %d", len(text), most)
	}
	if strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffd || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}) {
		f.add(path, "has a control character")
	}
}

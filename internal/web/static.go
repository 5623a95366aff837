package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Static is a public document that is the same for everybody and made before it is asked for: a JWK set, discovery metadata.
// Handle answers it; Set replaces it at any time. Any page of any origin may read it, without credentials.
type Static struct {
	contentType  []string
	cacheControl []string
	current      atomic.Pointer[document]
}

type document struct {
	body         []byte
	etag         string
	etagHeader   []string
	lengthHeader []string
}

var anyOrigin = []string{"*"}

var errNotReady = iam.Errorf(iam.Unavailable, "this document is not ready yet")

// NewStatic makes a Static that caches may keep for maxAge, in whole seconds. It answers 503 until Set.
func NewStatic(contentType string, maxAge time.Duration) *Static {
	return &Static{
		contentType:  []string{contentType},
		cacheControl: []string{"public, max-age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)},
	}
}

// Set makes body what is answered from now on. The caller must not change it.
func (s *Static) Set(body []byte) {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	s.current.Store(&document{
		body:         body,
		etag:         etag,
		etagHeader:   []string{etag},
		lengthHeader: []string{strconv.Itoa(len(body))},
	})
}

// Handle is the Handler for GET and HEAD. It answers 304 to those who have the current document (RFC 9110 §13.1.2).
func (s *Static) Handle(w http.ResponseWriter, r *http.Request) error {
	d := s.current.Load()
	if d == nil {
		return errNotReady
	}
	h := w.Header()
	h["Etag"] = d.etagHeader
	h["Cache-Control"] = s.cacheControl
	h["Access-Control-Allow-Origin"] = anyOrigin
	if matchesETag(r.Header["If-None-Match"], d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = s.contentType
	h["Content-Length"] = d.lengthHeader
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(d.body)
	return err
}

// MatchesETag reports whether the request says that it has the representation with this entity tag, which is quoted.
func MatchesETag(r *http.Request, etag string) bool {
	return matchesETag(r.Header["If-None-Match"], etag)
}

// matchesETag compares weakly, as If-None-Match wants (RFC 9110 §8.8.3.2). Our tags have no comma in them.
func matchesETag(header []string, etag string) bool {
	for _, line := range header {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.Trim(tag, " \t")
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}

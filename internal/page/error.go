package page

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// An Error is the page of what went wrong, for a person: what happened, what to do, and by which id the operator finds it.
type Error struct {
	Head
	Code, Message, RequestID string
}

// Template is the name of the page's file.
func (*Error) Template() string { return "error.html" }

// WriteError is a web.ErrorWriter for pages. It never sends the browser anywhere.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	status, p := web.StatusOf(err), &Error{RequestID: web.RequestID(r.Context())}
	web.SetRetryAfter(w.Header(), err)
	var e *iam.Error
	switch {
	case status == http.StatusServiceUnavailable:
		p.Title, p.Code, p.Message = "Try again in a moment", "temporarily_unavailable", "Something that this page needs does not answer. Nothing was lost: try again in a moment."
	case errors.As(err, &e) && e.Kind != iam.Internal:
		p.Title, p.Code, p.Message = "This did not work", e.Code, sentence(e.Message)
	default:
		p.Title, p.Code, p.Message = "Something is wrong on our side", "server_error", "The request id tells the operator what."
	}
	if err := Write(w, status, p); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// sentence writes the message of an error, which has no capital and no full stop, as people read it. A name of the protocol at its
// beginning, such as redirect_uri, stays as it is.
func sentence(message string) string {
	word, _, _ := strings.Cut(message, " ")
	if first, size := utf8.DecodeRuneInString(message); size > 0 && !strings.ContainsAny(word, "_:") {
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	if last, _ := utf8.DecodeLastRuneInString(message); unicode.IsLetter(last) || unicode.IsDigit(last) {
		message += "."
	}
	return message
}

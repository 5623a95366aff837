package adminapi

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// checkBody reads the body and refuses one that is no JSON, or JSON that programs read differently. A form's type is what curl says of any -d:
// it is taken for JSON.
func checkBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body) // the router has read it already, within its bound
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, nil
	}
	if err := checkType(r.Header["Content-Type"]); err != nil {
		return nil, err
	}
	if err := web.CheckJSON(body); err != nil {
		return nil, err
	}
	r.Header["Content-Type"] = []string{"application/json"}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

func checkType(header []string) error {
	if len(header) == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(header[0])
	charset, ok := params["charset"]
	if len(header) > 1 || err != nil || kind != "application/json" && kind != "application/x-www-form-urlencoded" ||
		ok && !strings.EqualFold(charset, "utf-8") {
		return iam.Refuse(iam.Invalid, web.CodeUnsupportedMediaType, "the body must be application/json in UTF-8")
	}
	return nil
}

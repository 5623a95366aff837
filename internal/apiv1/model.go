package apiv1

import (
	"context"
	"net/http"
	"time"
)

// A ModelHead names an access model, in lists.
type ModelHead struct {
	Name      string    `json:"name"`
	Revision  int       `json:"revision"`
	Preset    bool      `json:"preset,omitempty" doc:"It ships with Gatehouse, and never changes."`
	Levels    []string  `json:"levels" nullable:"false" doc:"Its kinds of nodes, in file order."`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// A Model is an access model, as the API shows it.
type Model struct {
	ModelHead
	Source string `json:"source" doc:"The file, YAML."`
	Schema any    `json:"schema" doc:"What the file says, with its defaults."`
	ETag   string `json:"-"` // the version read
}

// A ModelSpec is the source of an access model: its file. In a document the spec is the file itself.
type ModelSpec struct {
	Source string `json:"source" doc:"YAML, at most 128 KiB."`
	// Line is the line of the document's file on which the source begins, so that faults are found there; 0: they are told by the
	// lines of the source.
	Line int `json:"line,omitempty" minimum:"0" maximum:"10000000"`
}

// A ModelCheck is what is wrong with the source of an access model: nothing when Faults is empty, and then Name and Revision are
// those of the file.
type ModelCheck struct {
	Valid    bool         `json:"valid"`
	Name     string       `json:"name,omitempty"`
	Revision int          `json:"revision,omitempty"`
	Faults   []ModelFault `json:"faults" nullable:"false" doc:"All that can be told at once, by line."`
}

// A ModelFault is one thing that is wrong with the source of an access model.
type ModelFault struct {
	Line   int    `json:"line"`
	Path   string `json:"path,omitempty" doc:"As in levels.organization.roles.owner."`
	Reason string `json:"reason"`
}

// ListModels lists the access models: those that ship with Gatehouse, and those of the organizations that the caller sees.
func (c *Client) ListModels(ctx context.Context, o PageOptions) (Page[ModelHead], error) {
	v, _, err := get[Page[ModelHead]](ctx, c, "/models", o.query())
	return v, err
}

// GetModel returns an access model.
func (c *Client) GetModel(ctx context.Context, name string) (Model, error) {
	v, etag, err := get[Model](ctx, c, "/models"+segment(name), nil)
	v.ETag = etag
	return v, err
}

// CreateModel makes an access model. Its name stands in the source.
func (c *Client) CreateModel(ctx context.Context, source string) (Model, error) {
	v, etag, err := create[Model](ctx, c, "/models", ModelSpec{Source: source})
	v.ETag = etag
	return v, err
}

// UpdateModel replaces the source of an access model. Whatever follows the model must have a place in the new revision.
func (c *Client) UpdateModel(ctx context.Context, name, source, etag string) (Model, error) {
	v, etag, err := send[Model](ctx, c, http.MethodPut, "/models"+segment(name), etag, ModelSpec{Source: source})
	v.ETag = etag
	return v, err
}

// DeleteModel ends an access model that no organization follows.
func (c *Client) DeleteModel(ctx context.Context, name string) error {
	return c.delete(ctx, "/models"+segment(name))
}

// ValidateModel says what is wrong with a source, and changes nothing.
func (c *Client) ValidateModel(ctx context.Context, source string) (ModelCheck, error) {
	v, _, err := send[ModelCheck](ctx, c, http.MethodPost, "/models/validate", "", ModelSpec{Source: source})
	return v, err
}

package apiv1

// An ApplyRequest is a set of documents to make true, or a part of one.
type ApplyRequest struct {
	Documents []Document `json:"documents"`
	DryRun    bool       `json:"dry_run,omitempty"` // plan, and write nothing
	// Prune ends what the documents do not name: entries of the lists that they give and, unless Partial, resources.
	Prune bool `json:"prune,omitempty"`
	// Partial says that this is not the whole set. Known are documents of other parts that this one refers to, reduced to what
	// names them; what they stand for need not exist yet. Keep names, with Prune, the documents of all other parts.
	Partial bool       `json:"partial,omitempty"`
	Known   []Document `json:"known,omitempty"`
	Keep    []string   `json:"keep,omitempty"` // as Document.String has them
}

// A Plan is what it takes to make documents true, in the order in which it is done. An empty one: they are.
type Plan struct {
	Changes []Change `json:"changes" nullable:"false"`
}

// A Change is one step of a plan. It never shows a secret.
type Change struct {
	Action string   `json:"action" enum:"create,change,delete"`
	Kind   string   `json:"kind"`
	Name   string   `json:"name" doc:"As in acme/web."`
	Fields []string `json:"fields,omitempty" doc:"What changes, as in spec.role or spec.secrets[ci]."`
}

// The actions of a Change.
const (
	ActionCreate = "create"
	ActionChange = "change"
	ActionDelete = "delete"
)

// An Export is a part of all documents. Cursor pages through it.
type Export struct {
	Documents     []Document `json:"documents" nullable:"false"`
	NextPageToken string     `json:"next_page_token,omitempty"`
}

// ApplyOptions choose what Apply does.
type ApplyOptions struct {
	DryRun bool // plan only
	Prune  bool // also end what the documents do not name
}

package apiv1

import (
	"context"
	"net/http"
)

// A Setting of a node, as the API shows it.
type Setting struct {
	Name       string   `json:"name"`
	Value      string   `json:"value,omitempty" doc:"What holds; of a setting that names a node, its path. Absent: nothing does."`
	Source     string   `json:"source" enum:"set,inherited,default,none" doc:"Whether somebody set it here, it comes from a node above, or it is the model's default."`
	From       string   `json:"from,omitempty" doc:"The path of the node above that it comes from."`
	Values     []string `json:"values,omitempty" doc:"What it can be."`
	Node       bool     `json:"node,omitempty" doc:"It names a node below, instead of one of some values."`
	Default    string   `json:"default,omitempty"`
	Changeable bool     `json:"changeable" doc:"Whether the caller may change it."`
}

// A SettingValue is what a setting becomes.
type SettingValue struct {
	Value string `json:"value" minLength:"1" doc:"One of its values or, of a setting that names a node, the id or path of one."`
}

// ListSettings lists the settings of a node.
func (c *Client) ListSettings(ctx context.Context, node string) (Page[Setting], error) {
	v, _, err := get[Page[Setting]](ctx, c, "/nodes"+segment(node)+"/settings", nil)
	return v, err
}

// PutSetting gives a setting of a node a value. etag is that of the node.
func (c *Client) PutSetting(ctx context.Context, node, setting, value, etag string) (Setting, error) {
	v, _, err := send[Setting](ctx, c, http.MethodPut, "/nodes"+segment(node)+"/settings"+segment(setting), etag, SettingValue{Value: value})
	return v, err
}

// DeleteSetting takes the value of a setting of a node back, so that a value from above or the default holds.
func (c *Client) DeleteSetting(ctx context.Context, node, setting string) error {
	return c.delete(ctx, "/nodes"+segment(node)+"/settings"+segment(setting))
}

package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// AtSetting names a setting of a node in a path.
type AtSetting struct {
	AtNode
	Setting string `path:"setting" doc:"A setting of the node's level."`
}

func (a *api) settingsAt(home, id, noun string) {
	const tag = "settings"
	list, one := home+"/{node}/settings", home+"/{node}/settings/{setting}"
	add(a, op{http.MethodGet, list, "list-settings-of-" + id, "List the settings of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtNode) (*plain[apiv1.Page[apiv1.Setting]], error) {
			v, err := a.Directory.Settings(ctx, by.by(), path(in.Node))
			return &plain[apiv1.Page[apiv1.Setting]]{Body: v}, err
		})
	add(a, op{http.MethodPut, one, "put-setting-of-" + id, "Give a setting of " + noun + " a value", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtSetting
			Conditional
			Body apiv1.SettingValue
		}) (*plain[apiv1.Setting], error) {
			v, err := a.Directory.Set(ctx, by.by(), path(in.Node), in.Setting, in.Body.Value, in.expect())
			return &plain[apiv1.Setting]{Body: v}, err
		})
	add(a, op{http.MethodDelete, one, "delete-setting-of-" + id, "Take the value of a setting of " + noun + " back", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtSetting
			Conditional
		}) (*none, error) {
			_, err := a.Directory.Set(ctx, by.by(), path(in.Node), in.Setting, "", in.expect())
			return nil, err
		})
}

package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// AtMigration names a plan at a node in a path.
type AtMigration struct {
	AtNode
	Migration string `path:"migration" doc:"Its id."`
}

func (a *api) migrations() {
	for _, h := range homes {
		a.migrationsAt(h.path, h.id, h.noun)
	}
}

func (a *api) migrationsAt(home, id, noun string) {
	const tag = "migrations"
	list, one := home+"/{node}/migrations", home+"/{node}/migrations/{migration}"
	add(a, op{http.MethodGet, list, "list-migrations-of-" + id, "List the plans that bring roles of another system over to " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Paged
		}) (*plain[apiv1.Page[apiv1.Migration]], error) {
			return page(in.Paged, "migrations of "+in.Node, func(p store.PageOptions) (apiv1.Page[apiv1.Migration], error) {
				return a.Directory.Migrations(ctx, by.by(), path(in.Node), p)
			})
		})
	add(a, op{http.MethodPost, list, "plan-migration-of-" + id, "Plan how roles of another system come over to " + noun + ", and change nothing", tag, http.StatusCreated, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Body apiv1.NewMigration
		}) (*plain[apiv1.Migration], error) {
			v, err := a.Directory.PlanMigration(ctx, by.by(), path(in.Node), in.Body)
			return &plain[apiv1.Migration]{Body: v}, err
		})
	add(a, op{http.MethodGet, one, "get-migration-of-" + id, "Read a plan of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtMigration) (*plain[apiv1.Migration], error) {
			v, err := a.Directory.Migration(ctx, by.by(), path(in.Node), in.Migration)
			return &plain[apiv1.Migration]{Body: v}, err
		})
	add(a, op{http.MethodDelete, one, "delete-migration-of-" + id, "End a plan of " + noun + "; what it has assigned stays", tag, http.StatusNoContent, false, false},
		func(ctx context.Context, by *caller, in *AtMigration) (*none, error) {
			return nil, a.Directory.DeleteMigration(ctx, by.by(), path(in.Node), in.Migration)
		})
	add(a, op{http.MethodPut, one + "/items/{item}", "decide-migration-of-" + id, "Say what becomes of an item of a plan of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtMigration
			Item string `path:"item" doc:"Its number."`
			Body apiv1.MigrationDecision
		}) (*plain[apiv1.MigrationItem], error) {
			v, err := a.Directory.DecideMigration(ctx, by.by(), path(in.Node), in.Migration, in.Item, in.Body)
			return &plain[apiv1.MigrationItem]{Body: v}, err
		})
	add(a, op{http.MethodPost, one + "/apply", "apply-migration-of-" + id, "Make assignments of what is decided in a plan of " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtMigration) (*plain[apiv1.Migration], error) {
			v, err := a.Directory.ApplyMigration(ctx, by.by(), path(in.Node), in.Migration)
			return &plain[apiv1.Migration]{Body: v}, err
		})
}

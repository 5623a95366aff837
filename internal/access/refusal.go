package access

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// The codes of refusals. Every one stands for one kind of iam.Error; they are part of the admin API.
const (
	CodeNotFound           = "not_found"                     // the caller may not know that the node exists, or nothing is there
	CodeForbidden          = "forbidden"                     // the caller lacks the right
	CodeExceedsOwn         = "exceeds_own_permissions"       // the caller would give more than he holds
	CodeAccessDenied       = "access_denied"                 // RFC 6749 §4.1.2.1: no token for this organization
	CodeOwnRoleLocked      = "own_role_locked"               // a holder may neither change nor drop the role
	CodeLastHolder         = "last_holder"                   // the role must keep its minimum of holders
	CodeRoleHeld           = "role_already_held"             // by the subject, or by as many as may hold it
	CodeRoleSystemAssigned = "role_is_system_assigned"       // only operations of the model give and take it
	CodeRolePredefined     = "role_is_predefined"            // roles of the model are not edited or deleted
	CodeRoleNotDuplicable  = "role_not_duplicable"           // custom roles cannot begin as this one
	CodeRoleInUse          = "role_in_use"                   // a custom role that somebody holds
	CodeGroupSystem        = "group_is_system"               // computed groups, and their names, are nobody's to change
	CodeSeatLimit          = "seat_limit_reached"            // no seat is left
	CodeExternalBlocked    = "external_users_blocked"        // the organization does not let outsiders in
	CodeRoleNotHere        = "role_not_available_here"       // unknown, or of another level
	CodeHolderNotAllowed   = "holder_not_allowed"            // this kind of subject may not hold the role
	CodeGroupNotHere       = "group_cannot_hold_role_here"   // the group is of another place, or would decide its own membership
	CodeValueNotAllowed    = "value_not_allowed"             // the setting does not exist or does not take the value
	CodeUnknownPermission  = "unknown_permission"            // the model, or the level, has no such permission
	CodeOwnerRequired      = "owner_required"                // a node whose model wants a first holder
	CodeInvalidDetails     = "invalid_authorization_details" // RFC 9396 §5
	CodeUnknownOperation   = "unknown_operation"             // the model has no such operation at this level
	CodeNotOffered         = "not_offered"                   // the model has no such thing at this level: suspension, child nodes, kinds
	CodeNameTaken          = "name_taken"                    // a custom role that the model or a node on the way already has
)

var kindOf = map[string]iam.Kind{
	CodeNotFound:           iam.NotFound,
	CodeForbidden:          iam.Forbidden,
	CodeExceedsOwn:         iam.Forbidden,
	CodeAccessDenied:       iam.Forbidden,
	CodeOwnRoleLocked:      iam.Conflict,
	CodeLastHolder:         iam.Conflict,
	CodeRoleHeld:           iam.Conflict,
	CodeRoleSystemAssigned: iam.Conflict,
	CodeRolePredefined:     iam.Conflict,
	CodeRoleNotDuplicable:  iam.Conflict,
	CodeRoleInUse:          iam.Conflict,
	CodeGroupSystem:        iam.Conflict,
	CodeSeatLimit:          iam.Conflict,
	CodeExternalBlocked:    iam.Conflict,
	CodeNameTaken:          iam.Conflict,
	CodeRoleNotHere:        iam.Invalid,
	CodeHolderNotAllowed:   iam.Invalid,
	CodeGroupNotHere:       iam.Invalid,
	CodeValueNotAllowed:    iam.Invalid,
	CodeUnknownPermission:  iam.Invalid,
	CodeOwnerRequired:      iam.Invalid,
	CodeInvalidDetails:     iam.Invalid,
	CodeUnknownOperation:   iam.Invalid,
	CodeNotOffered:         iam.Invalid,
}

func refuse(code, format string, args ...any) *iam.Error {
	return iam.Refuse(kindOf[code], code, format, args...)
}

// refuseNode is the one answer for a node that is unknown and one that the actor may not know of.
func refuseNode() *iam.Error { return refuse(CodeNotFound, "no such node") }

func refuseUnknownPermission(m *Model, p iam.Permission) *iam.Error {
	return refuse(CodeUnknownPermission, "permission %q is not in model %s", p, m.schema.Name)
}

// refuseRight says which permission would have done.
func refuseRight(what string, n *iam.Node, anyOf []iam.Permission) *iam.Error {
	if len(anyOf) == 0 {
		return refuse(CodeForbidden, "%s at %s: only an operator may", what, n.Name)
	}
	ps := make([]string, len(anyOf))
	for i, p := range anyOf {
		ps[i] = string(p)
	}
	return refuse(CodeForbidden, "%s at %s needs the permission %s", what, n.Name, strings.Join(ps, " or "))
}

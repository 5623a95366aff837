// Package authzen answers the Authorization API 1.0 of the OpenID AuthZEN working group: evaluation, evaluations, the three searches,
// and the metadata that names them. One file holds the shapes on the wire, one each kind of question.
//
// What is decided, and who may ask, is directory's: this package turns AuthZEN's questions into those, and its answers back. A decision
// is always 200; 401 and 403 speak about the caller. It may import apiv1, directory, iam, store and web.
package authzen

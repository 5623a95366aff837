// Package adminapi is the admin API, /api/v1: REST in JSON over directory, described by OpenAPI 3.1 that is generated from the
// code, with RFC 9457 problems. A request goes through serve in server.go: who asks and by what right, the body's form, then the
// operation, of which each file holds those of one noun.
//
// What may be done and what it comes to is decided in directory and access; here is what HTTP makes of it. It may import apiv1,
// directory, iam, keys, store, token and web.
package adminapi

// Package mail sends what people are told by mail: a letter is a few sentences and one link, written as plain text and as simple HTML.
// It is sent in the background, so that neither an answer nor its time tells whether anything is sent.
//
// What a letter says is the caller's business. The package imports nothing of Gatehouse.
package mail

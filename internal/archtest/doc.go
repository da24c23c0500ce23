// Package archtest holds the tests that keep the house in the shape that
// ARCHITECTURE.md describes: who may import whom, what a binary may link, and
// that every package says what it is.
package archtest

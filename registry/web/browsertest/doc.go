// Package browsertest holds the tests that open the registry's pages in a real
// Chromium, as people do: with its scripts, by keyboard, in both colours and at
// every width.
package browsertest

package http1

// extension takes one byte of
//
//	chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//
// from the first semicolon to the CR. Nobody uses extensions, so what is none is no client's mistake: two readers that
// skip it differently find different chunks behind it.
func (b *Body) extension(c byte) *Error {
	if b.extensions++; b.extensions > longestExtensions {
		return ErrChunkExtension
	}
	next := b.extensionEnd(c)
	switch {
	case next != 0:
	case class[c]&isToken != 0 && b.state <= extensionName:
		next = extensionName
	case class[c]&isToken != 0 && (b.state == extensionEqual || b.state == extensionToken):
		next = extensionToken
	case c == '"' && b.state == extensionEqual, class[c]&isValue != 0 && b.state == extensionSlash:
		next = extensionQuote
	case c == '"' && b.state == extensionQuote:
		next = extensionQuoted
	case c == '\\' && b.state == extensionQuote:
		next = extensionSlash
	case class[c]&isValue != 0 && b.state == extensionQuote:
		next = extensionQuote
	default:
		return ErrChunkLine
	}
	b.state = next
	return nil
}

// extensionEnd returns the state that follows when c, outside quotes, ends a part of an extension or is whitespace
// around one, else 0.
func (b *Body) extensionEnd(c byte) uint8 {
	named := b.state == extensionName || b.state == extensionToken || b.state == extensionQuoted
	switch {
	case b.state == extensionQuote || b.state == extensionSlash:
		return 0
	case c == '\r' && named:
		return sizeLF
	case c == ';' && (named || b.state == extensionNamed || b.state == extensionEnded):
		return extension
	case c == '=' && (b.state == extensionName || b.state == extensionNamed):
		return extensionEqual
	case c != ' ' && c != '\t':
		return 0
	case b.state == extensionName:
		return extensionNamed
	case named:
		return extensionEnded
	}
	return b.state
}

extension LabelRequirements {
    /// Reads the text form, as in `app=web,tier in (a, b),!legacy,size>3`.
    public init(parsing text: String) throws(APIValueError) {
        var parser = Parser(tokens: Parser.tokens(text))
        requirements = try parser.parse()
    }

    private struct Parser {
        enum Token: Equatable {
            case word(String)
            case symbol(String)

            var text: String {
                switch self {
                case .word(let text), .symbol(let text): text
                }
            }
        }

        let tokens: [Token]
        var position = 0

        static func tokens(_ text: String) -> [Token] {
            var tokens: [Token] = []
            var word = ""
            var characters = Array(text)[...]
            func flush(_ word: inout String, _ tokens: inout [Token]) {
                if !word.isEmpty { tokens.append(.word(word)) }
                word = ""
            }
            while let character = characters.popFirst() {
                switch character {
                case " ", "\t", "\r", "\n": flush(&word, &tokens)
                case "(", ")", ",", ">", "<":
                    flush(&word, &tokens)
                    tokens.append(.symbol(String(character)))
                case "=", "!":
                    flush(&word, &tokens)
                    if characters.first == "=" {
                        characters.removeFirst()
                        tokens.append(.symbol("\(character)="))
                    } else {
                        tokens.append(.symbol(String(character)))
                    }
                default: word.append(character)
                }
            }
            flush(&word, &tokens)
            return tokens
        }

        private var next: Token? { position < tokens.count ? tokens[position] : nil }

        private mutating func take() -> Token? {
            defer { position += 1 }
            return next
        }

        mutating func parse() throws(APIValueError) -> [Requirement] {
            var requirements: [Requirement] = []
            while next != nil {
                requirements.append(try parseRequirement())
                guard let separator = take() else { break }
                guard separator == .symbol(",") else { throw expected("','", separator) }
                guard next != nil else { throw expected("identifier after ','", nil) }
            }
            return requirements
        }

        private mutating func parseRequirement() throws(APIValueError) -> Requirement {
            if next == .symbol("!") {
                position += 1
                return Requirement(key: try parseKey(), operator: .doesNotExist)
            }
            let key = try parseKey()
            switch next {
            case nil, .symbol(","): return Requirement(key: key, operator: .exists)
            case .symbol("="), .symbol("=="):
                position += 1
                return Requirement(key: key, operator: .in, values: [try parseValue()])
            case .symbol("!="):
                position += 1
                return Requirement(key: key, operator: .notIn, values: [try parseValue()])
            case .symbol(">"), .symbol("<"):
                let greater = take() == .symbol(">")
                let bound = try parseValue()
                guard Int64(bound) != nil else {
                    throw APIValueError(.selector, "for 'Gt', 'Lt' operators, the value must be an integer")
                }
                return Requirement(key: key, operator: greater ? .greaterThan : .lessThan, values: [bound])
            case .word("in"):
                position += 1
                return Requirement(key: key, operator: .in, values: try parseValues())
            case .word("notin"):
                position += 1
                return Requirement(key: key, operator: .notIn, values: try parseValues())
            case let token: throw expected("in, notin, =, ==, !=, gt, lt", token)
            }
        }

        private mutating func parseKey() throws(APIValueError) -> String {
            guard case .word(let key) = take() else {
                position -= 1
                throw expected("identifier", next)
            }
            if let problem = ValueFormat.qualifiedName(key).first {
                throw APIValueError(.selector, "unable to parse requirement: key: Invalid value: \"\(key)\": \(problem)")
            }
            return key
        }

        private mutating func parseValue() throws(APIValueError) -> String {
            guard case .word(let value) = next else { return "" }
            position += 1
            if let problem = ValueFormat.labelValue(value).first {
                throw APIValueError(.selector, "unable to parse requirement: values[0]: Invalid value: \"\(value)\": \(problem)")
            }
            return value
        }

        private mutating func parseValues() throws(APIValueError) -> Set<String> {
            guard next == .symbol("(") else { throw expected("'('", next) }
            position += 1
            var values: Set<String> = []
            while true {
                values.insert(try parseValue())
                let token = take()
                if token == .symbol(")") { return values }
                guard token == .symbol(",") else { throw expected("',' or ')'", token) }
            }
        }

        private func expected(_ what: String, _ found: Token?) -> APIValueError {
            APIValueError(.selector, "unable to parse requirement: found '\(found?.text ?? "")', expected: \(what)")
        }
    }
}

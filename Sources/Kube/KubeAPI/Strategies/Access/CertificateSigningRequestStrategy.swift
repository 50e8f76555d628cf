import JSONTree

/// Requests for certificates: what is asked for never changes; who approves and who signs write to parts of their own.
/// Whether the request itself can be read, the server looks at: it takes a reader of certificates.
struct CertificateSigningRequestStrategy: ResourceStrategy {
    static let usages: Set<String> = [
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment", "cert sign", "crl sign",
        "encipher only", "decipher only", "any", "server auth", "client auth", "code signing", "email protection", "s/mime", "ipsec end system",
        "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc",
    ]
    /// Ten minutes.
    static let shortestLife: Int64 = 600
    private static let final = ["Approved", "Denied", "Failed"]
    private static let approval = ["Approved", "Denied"]
    private static let conditionsPath = FieldPath.status.child("conditions")

    func nameProblems(_ name: String) -> [String] { RBACRules.nameProblems(name) }

    // MARK: the request

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let spec = object["spec"]
        let usages = spec?["usages"]?.array ?? []
        if usages.isEmpty { errors.append(.required(.spec.child("usages"))) }
        var seen: Set<JSON> = []
        for (index, usage) in usages.enumerated() {
            let path = FieldPath.spec.child("usages").index(index)
            if !Self.usages.contains(usage.string ?? "") { errors.append(.unsupported(path, usage, supported: Array(Self.usages))) }
            if !seen.insert(usage).inserted { errors.append(.duplicate(path, usage)) }
        }
        let signer = spec?["signerName"]?.string ?? ""
        if signer == "kubernetes.io/legacy-unknown" {
            errors.append(.invalid(.spec.child("signerName"), JSON(signer), "the legacy signerName is not allowed via this API version"))
        } else {
            Self.validateSigner(signer, &errors)
        }
        if let seconds = spec?["expirationSeconds"]?.int, seconds < Self.shortestLife {
            errors.append(.invalid(.spec.child("expirationSeconds"), JSON(seconds), "may not specify a duration less than 600 seconds (10 minutes)"))
        }
    }

    /// `<domain>/<path>`.
    private static func validateSigner(_ name: String, _ errors: inout [FieldError]) {
        let path = FieldPath.spec.child("signerName")
        if name.isEmpty { errors.append(.required(path)) }
        let segments = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard segments.count == 2 else {
            errors.append(.invalid(path, JSON(name), "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
            return
        }
        if segments[0].utf8.count > 253 { errors.append(.tooLong(path, maximumBytes: 253)) }
        let labels = segments[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        for label in labels {
            errors += ValueFormat.dnsLabel(label).map { .invalid(path, JSON(segments[0]), "validating label \"\(label)\": \($0)") }
        }
        if labels.count < 2 { errors.append(.invalid(path, JSON(segments[0]), "should be a domain with at least two segments separated by dots")) }
        for label in segments[1].split(separator: ".", omittingEmptySubsequences: false).map(String.init) {
            errors += ValueFormat.dnsSubdomain(label).map { .invalid(path, JSON(segments[1]), "validating label \"\(label)\": \($0)") }
        }
    }

    /// What was asked for stays as it was, without a word, as upstream has it.
    func prepareForUpdate(_ object: inout JSON, from old: JSON) { object["spec"] = old["spec"] }

    // MARK: approval and status

    func prepareForStatusUpdate(_ object: inout JSON, from old: JSON, now: Time) {
        // Approval is not the signer's: what it sends of it is what is stored, unless it sends more or less of it.
        for type in Self.approval {
            guard let stored = Self.condition(type, of: old), Self.condition(type, of: object) != nil else { continue }
            object["status"]?["conditions"]?.withArray { list in
                for index in list.indices where list[index]["type"]?.string == type { list[index] = stored }
            }
        }
        Self.stampConditions(&object, from: old, now)
    }

    func prepareForApproval(_ object: inout JSON, from old: JSON, now: Time) {
        Self.stampConditions(&object, from: old, now)
        // Nothing but the conditions.
        let conditions = object["status"]?["conditions"]
        object["status"] = old["status"]
        guard let conditions else {
            object["status"]?["conditions"] = nil
            return
        }
        if object["status"]?.object == nil { object["status"] = [:] }
        object["status"]?["conditions"] = conditions
    }

    private static func stampConditions(_ object: inout JSON, from old: JSON, _ now: Time) {
        func isUnset(_ value: JSON?) -> Bool { (value?.string ?? "").isEmpty }
        object["status"]?["conditions"]?.withArray { list in
            for index in list.indices {
                if isUnset(list[index]["lastUpdateTime"]) { list[index]["lastUpdateTime"] = .string(now.description) }
                guard isUnset(list[index]["lastTransitionTime"]) else { continue }
                let before = condition(list[index]["type"]?.string ?? "", of: old)
                let stays = before?["status"] == list[index]["status"] && !isUnset(before?["lastTransitionTime"])
                list[index]["lastTransitionTime"] = stays ? before?["lastTransitionTime"] : .string(now.description)
            }
        }
    }

    func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        Self.validateConditions(object, from: old, &errors)
        for type in Self.approval where Self.condition(type, of: old) == nil && Self.condition(type, of: object) != nil {
            errors.append(.forbidden(Self.conditionsPath, "updates may not add a condition of type \"\(type)\""))
        }
        let (stored, new) = (old["status"]?["certificate"]?.string ?? "", object["status"]?["certificate"]?.string ?? "")
        guard stored != new else { return }
        let path = FieldPath.status.child("certificate")
        if !stored.isEmpty { errors.append(.forbidden(path, "updates may not modify existing certificate content")) }
        if let problem = Self.certificateProblem(new) { errors.append(.invalid(path, "<certificate data>", problem)) }
    }

    func validateApproval(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) { Self.validateConditions(object, from: old, &errors) }

    private static func validateConditions(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        var seen: Set<String> = []
        for (index, condition) in (object["status"]?["conditions"]?.array ?? []).enumerated() {
            let path = conditionsPath.index(index)
            let type = condition["type"]?.string ?? ""
            if type.isEmpty { errors.append(.required(path.child("type"))) }
            let allowed = final.contains(type) ? ["True"] : ["True", "False", "Unknown"]
            let status = condition["status"]?.string ?? ""
            if status.isEmpty {
                errors.append(.required(path.child("status")))
            } else if !allowed.contains(status) {
                errors.append(.unsupported(path.child("status"), JSON(status), supported: allowed))
            }
            if approval.contains(type), approval.contains(where: { $0 != type && seen.contains($0) }) {
                errors.append(.invalid(path.child("type"), JSON(type), "Approved and Denied conditions are mutually exclusive"))
            }
            if !seen.insert(type).inserted { errors.append(.duplicate(path.child("type"), JSON(type))) }
        }
        for type in final where condition(type, of: old) != nil && !seen.contains(type) {
            errors.append(.forbidden(conditionsPath, "updates may not remove a condition of type \"\(type)\""))
        }
    }

    private static func condition(_ type: String, of object: JSON) -> JSON? {
        (object["status"]?["conditions"]?.array ?? []).first { $0["type"]?.string == type }
    }

    /// Certificates and nothing else, as PEM. What is in them is the signer's affair.
    private static func certificateProblem(_ base64: String) -> String? {
        guard let bytes = try? Base64.decode(base64) else { return "must contain one or more CERTIFICATE PEM blocks" }  // The decoder has judged it.
        var blocks = 0
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) where line.hasPrefix("-----BEGIN ") {
            let type = line.dropFirst("-----BEGIN ".count).prefix { $0 != "-" }
            guard type == "CERTIFICATE" else { return "only CERTIFICATE PEM blocks are allowed, found \"\(type)\"" }
            blocks += 1
        }
        return blocks == 0 ? "must contain one or more CERTIFICATE PEM blocks" : nil
    }
}

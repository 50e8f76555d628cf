import JSONTree

struct SecretStrategy: ResourceStrategy {
    static let maximumBytes = 1 << 20

    /// `stringData` is for writing only: it goes into `data`, over values of the same keys.
    func applyDefaults(to object: inout JSON) {
        guard let texts = object["stringData"]?.object else { return }
        if !texts.isEmpty, object["data"]?.object == nil { object["data"] = [:] }
        for (key, text) in texts { object["data"]?[key] = .string(Base64.encode(Array((text.string ?? "").utf8))) }
        object["stringData"] = nil
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        var bytes = 0
        for (key, value) in object["data"]?.object ?? [:] {
            errors += ValueFormat.configKey(key).map { .invalid(FieldPath("data").key(key), JSON(key), $0) }
            bytes += (value.string?.utf8.count ?? 0) / 4 * 3
        }
        if bytes > Self.maximumBytes { errors.append(.tooLong(FieldPath("data"), maximumBytes: Self.maximumBytes)) }
        for key in Self.requiredKeys(of: object["type"]?.string ?? "") where object["data"]?[key] == nil {
            errors.append(.required(FieldPath("data").key(key)))
        }
        validateBasicAuth(object, &errors)
        if object["type"]?.string == BootstrapTokenForm.secretType { Self.validateBootstrapToken(object, &errors) }
        if object["type"] == "kubernetes.io/service-account-token",
            (object["metadata"]?["annotations"]?["kubernetes.io/service-account.name"]?.string ?? "").isEmpty
        {
            errors.append(.required(.metadata.child("annotations").key("kubernetes.io/service-account.name")))
        }
    }

    private static func requiredKeys(of type: String) -> [String] {
        switch type {
        case "kubernetes.io/tls": ["tls.crt", "tls.key"]
        case "kubernetes.io/dockercfg": [".dockercfg"]
        case "kubernetes.io/dockerconfigjson": [".dockerconfigjson"]
        case "kubernetes.io/ssh-auth": ["ssh-privatekey"]
        case BootstrapTokenForm.secretType: ["token-id", "token-secret"]
        default: []
        }
    }

    /// Either of the two keys is enough.
    private func validateBasicAuth(_ object: JSON, _ errors: inout [FieldError]) {
        guard object["type"] == "kubernetes.io/basic-auth", object["data"]?["username"] == nil, object["data"]?["password"] == nil else { return }
        errors += ["username", "password"].map { .required(FieldPath("data").key($0)) }
    }

    /// A token that nobody could use is refused at once, not when a node tries to join with it. Its secret is not shown.
    private static func validateBootstrapToken(_ object: JSON, _ errors: inout [FieldError]) {
        func text(_ key: String) -> String? {
            object["data"]?[key]?.string.map { String(decoding: (try? Base64.decode($0)) ?? [], as: UTF8.self) }  // The decoder has judged it.
        }
        func path(_ key: String) -> FieldPath { FieldPath("data").key(key) }
        if let id = text("token-id") {
            if !BootstrapTokenForm.isID(id) { errors.append(.invalid(path("token-id"), JSON(id), "must match the regex ^([a-z0-9]{6})$")) }
            let name = object[path: "metadata", "name"]?.string ?? ""
            if name != BootstrapTokenForm.namePrefix + id {
                errors.append(.invalid(.metadata.child("name"), JSON(name), "must be \"\(BootstrapTokenForm.namePrefix)<token-id>\""))
            }
        }
        if let secret = text("token-secret"), !BootstrapTokenForm.isSecret(secret) {
            errors.append(.invalid(path("token-secret"), "<hidden>", "must match the regex ^([a-z0-9]{16})$"))
        }
        if let expiration = text("expiration"), !expiration.isEmpty, (try? Time(expiration)) == nil {
            errors.append(.invalid(path("expiration"), JSON(expiration), "must be a time as in RFC 3339"))
        }
        for group in (text("auth-extra-groups") ?? "").split(separator: ",").map(String.init) where !BootstrapTokenForm.isGroup(group) {
            errors.append(.invalid(path("auth-extra-groups"), JSON(group), "must match the regex \\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\\z"))
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        if let type = object["type"], type != old["type"] { errors.append(.invalid(FieldPath("type"), type, "field is immutable")) }
        Immutability.validate(object, from: old, keys: ["data"], &errors)
    }

    func prepareForUpdate(_ object: inout JSON, from old: JSON) {
        if (object["type"]?.string ?? "").isEmpty { object["type"] = old["type"] }
    }
}

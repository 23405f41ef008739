"""Vocabularies of a fraud indicator: kinds, fraud types, roles, evidence, markings, legal terms.

Rules: the numbers are written into ledger records (one byte each) and are therefore only ever
appended, never changed; 0 always means "not stated". Fraud types follow the ten commonest frauds
of the Chinese MPS list, attck4fraud, MITRE F3, Cifas, GSMA and Pix DICT; purposes follow W3C DPV.
The ledger stores the plain integers and does not import this module. Countries are in ``country``.
"""

from __future__ import annotations

from enum import IntFlag

from bulwark.indicators.terms import Term


class Kind(Term):
    """What sort of identifier an indicator is."""

    PHONE = 1, "phone", "telephone number", "phone_number", "msisdn", "tel"
    EMAIL = 2, "email", "e-mail mailbox", "email_addr", "e_mail"
    DOMAIN = 3, "domain", "DNS name of a site", "hostname", "domain_name", "host"
    URL = 4, "url", "web address", "uri"
    IP = 5, "ip", "IPv4 or IPv6 address", "ipv4", "ipv6", "ip_address"
    IBAN = 6, "iban", "international bank account number"
    BANK_ACCOUNT = 7, "bank_account", "domestic bank account", "account"
    WALLET = 8, "wallet", "cryptocurrency address", "crypto_address", "coin_address"
    DEVICE_ID = 9, "device_id", "identifier of an installed app or device", "device"
    IMEI = 10, "imei", "identity of a mobile handset", "imeisv"


class FraudType(Term):
    """The method of the fraud."""

    UNKNOWN = 0, "unknown", "not stated"
    TASK_REBATE = 1, "task_rebate", "paid tasks, fake orders and rebates"
    INVESTMENT = 2, "investment", "fake investment or wealth product"
    CRYPTO_INVESTMENT = 3, "crypto_investment", "fake crypto investment, also after courtship"
    PURCHASE = 4, "purchase", "goods or services paid for and never delivered", "merchandise"
    IMP_CUSTOMER_SERVICE = 5, "imp_customer_service", "poses as shop or parcel customer service"
    LOAN_FEE = 6, "loan_fee", "advance fee for a loan or payout", "advance_fee"
    CREDIT_REPAIR = 7, "credit_repair", "offers to mend a credit record"
    IMP_BOSS_ACQUAINTANCE = 8, "imp_boss_acquaintance", "poses as boss or acquaintance", "bec"
    IMP_AUTHORITY = 9, "imp_authority", "poses as police, prosecutor, court or government"
    ROMANCE = 10, "romance", "feigned love or friendship"
    GAME_TRADE = 11, "game_trade", "false trade in game goods or accounts"
    IMP_BANK = 12, "imp_bank", "poses as a bank or its fraud desk"
    TECH_SUPPORT = 13, "tech_support", "false technical support"
    FAMILY_FRIEND = 14, "family_friend", "poses as a relative or friend in need"
    LOTTERY = 15, "lottery", "fee for a prize or inheritance"
    CHARITY = 16, "charity", "false charity"
    RENTAL = 17, "rental", "dwelling or holiday let that does not exist"
    JOB = 18, "job", "false job offer"
    INVOICE_REDIRECT = 19, "invoice_redirect", "changed payee details on an invoice"
    EXTORTION = 20, "extortion", "threat or blackmail", "ransomware", "sextortion"
    ACCOUNT_TAKEOVER = 21, "account_takeover", "use of another's account without permission", "ato"
    SIM_SWAP = 22, "sim_swap", "number moved to the offender's SIM"
    CALL_FORWARDING = 23, "call_forwarding", "calls diverted to the offender"
    REMOTE_ACCESS = 24, "remote_access", "victim's device steered from afar"
    PHISHING = 25, "phishing", "credentials asked for by site or mail"
    SMISHING = 26, "smishing", "credentials or money asked for by text message"
    VISHING = 27, "vishing", "credentials or money asked for by call"
    MALWARE = 28, "malware", "credentials or money taken by malicious software"
    IDENTITY_THEFT = 29, "identity_theft", "use of a real person's identity"
    SYNTHETIC_ID = 30, "synthetic_id", "invented or mixed identity"
    APPLICATION_FRAUD = 31, "application_fraud", "false statements to obtain a product"
    FIRST_PARTY = 32, "first_party", "customer never meant to pay"
    FACILITY_MISUSE = 33, "facility_misuse", "own account used against its terms for fraud"
    MULE_ACCOUNT = 34, "mule_account", "account that passes on the proceeds", "mule"
    MONEY_LAUNDERING = 35, "money_laundering", "proceeds disguised"
    STRUCTURING = 36, "structuring", "payments split to stay below thresholds"
    CARD_NOT_PRESENT = 37, "card_not_present", "stolen card data used remotely", "cnp"
    CARD_PRESENT = 38, "card_present", "stolen or copied card used at a terminal"
    CARD_TESTING = 39, "card_testing", "small payments to test card data"
    CHARGEBACK_ABUSE = 40, "chargeback_abuse", "false claims for refund"
    SUBSCRIPTION_FRAUD = 41, "subscription_fraud", "telecom contract without intent to pay"
    IRSF = 42, "irsf", "international revenue share fraud"
    WANGIRI = 43, "wangiri", "missed calls that lure to a costly number"
    SIMBOX = 44, "simbox", "international calls slipped in as local ones"
    PRS = 45, "prs", "misuse of premium rate services"
    DEALER = 46, "dealer", "fraud by a telecom dealer"
    GAMBLING = 47, "gambling", "illegal or rigged gambling"
    CONTENT_ABUSE = 48, "content_abuse", "illegal or abusive content"
    OTHER = 255, "other", "a method not in this list"


class ObjectRole(Term):
    """What the identifier is in the scheme; it decides whether a score may rise."""

    UNKNOWN = 0, "unknown", "not stated; counts with reduced weight"
    OFFENDER_CONTROLLED = 1, "offender_controlled", "used by the offender", "offender"
    MULE = 2, "mule", "belongs to someone who passes on proceeds"
    COMPROMISED_VICTIM = 3, "compromised_victim", "a victim's, misused; protects only", "victim"
    IMPERSONATED = 4, "impersonated", "genuine one that offenders imitate; protects only"
    INFRASTRUCTURE = 5, "infrastructure", "technical means of the fraud"
    TARGET = 6, "target", "aimed at by offenders; protects only"


class EvidenceLevel(Term):
    """How well the statement is founded."""

    UNKNOWN = 0, "unknown", "not stated; counts as suspected"
    SUSPECTED = 1, "suspected", "pattern or model output, nobody confirmed it"
    REPORTED_BY_CUSTOMER = 2, "reported_by_customer", "a customer reported it"
    CONFIRMED = 3, "confirmed", "the member investigated and confirmed it"
    ADJUDICATED = 4, "adjudicated", "decided by a court or an alliance ruling"
    AUTHORITY = 5, "authority", "stated by police, a supervisor or another authority"


class Tlp(Term):
    """Traffic Light Protocol 2.0 marking."""

    UNKNOWN = 0, "unknown", "not stated; treated as amber_strict"
    CLEAR = 1, "clear", "no limit on sharing", "white", "tlp:clear", "tlp:white"
    GREEN = 2, "green", "inside the community", "tlp:green"
    AMBER = 3, "amber", "recipient's organisation and its customers, need to know", "tlp:amber"
    AMBER_STRICT = (
        4,
        "amber_strict",
        "recipient's organisation only",
        "amber+strict",
        "tlp:amber+strict",
    )
    RED = 5, "red", "named recipients only", "tlp:red"


class Channel(Term):
    """Where the fraud met the victim or the payment system."""

    UNKNOWN = 0, "unknown", "not stated"
    VOICE_CALL = 1, "voice_call", "telephone or internet call", "call", "voice"
    SMS = 2, "sms", "text message"
    EMAIL = 3, "email", "e-mail", "mail"
    WEB = 4, "web", "web site", "website"
    MOBILE_APP = 5, "mobile_app", "application on a phone", "app"
    MESSENGER = 6, "messenger", "chat or messaging service", "chat"
    SOCIAL_MEDIA = 7, "social_media", "social network or dating site"
    MARKETPLACE = 8, "marketplace", "online shop or classified advertisement"
    ONLINE_BANKING = 9, "online_banking", "bank's web or app channel"
    BRANCH = 10, "branch", "bank or shop counter"
    ATM = 11, "atm", "cash machine"
    POS = 12, "pos", "payment terminal"
    ECOMMERCE = 13, "ecommerce", "card payment on the web"
    IN_PERSON = 14, "in_person", "meeting face to face"
    POST = 15, "post", "letter or parcel"
    OTHER = 255, "other", "another channel"


class LossBand(Term):
    """Loss in whole euros or the like amount in another currency; ranges only."""

    UNKNOWN = 0, "unknown", "not stated"
    NONE = 1, "none", "no loss"
    UNDER_100 = 2, "under_100", "more than 0, less than 100"
    UNDER_1K = 3, "under_1k", "100 to less than 1,000"
    UNDER_10K = 4, "under_10k", "1,000 to less than 10,000"
    UNDER_100K = 5, "under_100k", "10,000 to less than 100,000"
    UNDER_1M = 6, "under_1m", "100,000 to less than 1,000,000"
    FROM_1M = 7, "from_1m", "1,000,000 or more"


class LawfulBasis(Term):
    """Why the processing is lawful (GDPR art. 6, PIPL art. 13, statutory gateways)."""

    UNKNOWN = 0, "unknown", "not stated; refused in reports and screenings"
    CONSENT = 1, "consent", "GDPR 6(1)(a), PIPL 13(1) I", "dpv:Consent"
    CONTRACT = 2, "contract", "GDPR 6(1)(b), PIPL 13(1) II", "dpv:Contract"
    LEGAL_OBLIGATION = 3, "legal_obligation", "GDPR 6(1)(c), PIPL 13(1) III", "dpv:LegalObligation"
    VITAL_INTERESTS = 4, "vital_interests", "GDPR 6(1)(d), PIPL 13(1) IV", "dpv:VitalInterest"
    PUBLIC_INTEREST = 5, "public_interest", "GDPR 6(1)(e)", "dpv:PublicInterest"
    LEGITIMATE_INTERESTS = 6, "legitimate_interests", "GDPR 6(1)(f)", "dpv:LegitimateInterest"
    STATUTORY_GATEWAY = 7, "statutory_gateway", "a law that permits the sharing by name"
    PUBLISHED_DATA = 8, "published_data", "PIPL 13(1) VI, lawfully published data"
    LAW_ENFORCEMENT = 9, "law_enforcement", "order or request of a competent authority"


class Purpose(Term):
    """What the data is used for (W3C DPV purposes where they exist)."""

    UNKNOWN = 0, "unknown", "not stated; refused in reports and screenings"
    FRAUD_PREVENTION = (
        1,
        "fraud_prevention",
        "dpv:FraudPreventionAndDetection",
        "dpv:FraudPreventionAndDetection",
    )
    COUNTER_MONEY_LAUNDERING = (
        2,
        "counter_money_laundering",
        "dpv:CounterMoneyLaundering",
        "dpv:CounterMoneyLaundering",
    )
    MAINTAIN_FRAUD_DATABASE = (
        3,
        "maintain_fraud_database",
        "dpv:MaintainFraudDatabase",
        "dpv:MaintainFraudDatabase",
    )
    FRAUD_INVESTIGATION = 4, "fraud_investigation", "clearing up one case"
    CONSUMER_PROTECTION = 5, "consumer_protection", "warning or protecting a possible victim"
    LEGAL_CLAIMS = 6, "legal_claims", "establishing or defending claims"
    SUPERVISION = 7, "supervision", "audit by a regulator"


class Operation(Term):
    """What a ledger record does; 0 is not assigned."""

    ADD = 1, "add", "states that an identifier was used in fraud"
    SIGHT = 2, "sight", "the same identifier was met again", "sighting"
    DISPUTE = 3, "dispute", "a person, member or regulator contests a record"
    RULE = 4, "rule", "decides a dispute; the record's reason holds the ruling", "ruling"
    RETRACT = 5, "retract", "the reporter takes a record back"
    EXPIRE = 6, "expire", "the record's time is over"
    ERASE = 7, "erase", "salt, tag and payload are destroyed"
    CONFIRM = 8, "confirm", "a member did what a batch of orders asks: recall, destruction"


class DisputeGround(Term):
    """Why a record is contested (reason of a dispute)."""

    UNKNOWN = 0, "unknown", "not stated"
    MISTAKEN_IDENTITY = 1, "mistaken_identity", "the identifier is somebody else's"
    REASSIGNED = 2, "reassigned", "the number or account has a new holder"
    VICTIM = 3, "victim", "the holder was a victim, not the offender"
    RECOVERED = 4, "recovered", "the compromised account is back with its holder"
    WRONG_DATA = 5, "wrong_data", "facts or dates of the record are wrong"
    UNLAWFUL = 6, "unlawful", "no lawful basis, or consent withdrawn"
    OTHER = 255, "other", "another ground"


class Ruling(Term):
    """How a dispute ended (reason of a ruling)."""

    UNKNOWN = 0, "unknown", "not stated; the dispute stays open"
    UPHELD = 1, "upheld", "the dispute was right: the record no longer counts"
    REJECTED = 2, "rejected", "the record stands"
    CORRECTED = 3, "corrected", "the record no longer counts, a corrected one replaces it"


class Band(Term):
    """How much a screening answer warns; derived from the score, never stored."""

    NONE = 0, "none", "nothing that counts: score 0"
    LOW = 1, "low", "score 1 to 24"
    MEDIUM = 2, "medium", "score 25 to 49"
    HIGH = 3, "high", "score 50 to 74"
    VERY_HIGH = 4, "very_high", "score 75 to 100; needs two members or a ruling or an authority"


class Usage(IntFlag):
    """Duties and marks that travel with a record: 16 bits, combined."""

    NO_SOLE_BASIS = 1
    """No refusal or termination on this record alone (EU PSR art. 83, AMLR art. 75)."""
    NOTIFY_SUBJECT = 2
    """Whoever acts on it tells the person concerned."""
    NO_ONWARD_SHARING = 4
    """Not to be passed on outside the alliance."""
    COPIED = 8
    """A copy of what a source outside the alliance says; its commitment is to that source."""

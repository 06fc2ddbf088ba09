"""The codes of Stripe that get a label value of their own; all others are `other`.

Source: Stripe's API reference and its lists of decline codes.
"""

# Types of payment method, old and new.
PAYMENT_METHODS: tuple[str, ...] = tuple(
    """
    card card_present link paypal amazon_pay apple_pay google_pay cashapp us_bank_account
    ach_debit ach_credit_transfer acss_debit au_becs_debit bacs_debit sepa_debit
    sepa_credit_transfer bank_transfer customer_balance klarna affirm afterpay_clearpay alipay
    wechat_pay bancontact blik boleto eps giropay ideal multibanco oxxo p24 pix promptpay
    revolut_pay sofort swish twint zip
    """.split()
)

# Issuers' decline codes and Stripe's error codes of payments.
PAYMENT_FAILURE_CODES: tuple[str, ...] = tuple(
    """
    approve_with_id authentication_required authentication_not_handled bank_account_closed
    call_issuer card_decline_rate_limit_exceeded card_declined card_not_supported
    card_velocity_exceeded currency_not_supported debit_not_authorized do_not_honor
    do_not_try_again duplicate_transaction expired_card fraudulent generic_decline
    incorrect_address incorrect_cvc incorrect_number incorrect_pin incorrect_zip
    insufficient_funds invalid_account invalid_amount invalid_cvc invalid_expiry_month
    invalid_expiry_year invalid_number issuer_not_available lost_card merchant_blacklist
    new_account_information_available no_account no_action_taken not_permitted
    offline_pin_required payment_intent_authentication_failure
    payment_intent_payment_attempt_expired payment_intent_payment_attempt_failed
    payment_method_provider_decline payment_method_provider_timeout pickup_card pin_try_exceeded
    processing_error reenter_transaction restricted_card revocation_of_all_authorizations
    revocation_of_authorization security_violation service_not_allowed
    setup_intent_authentication_failure stolen_card stop_payment_order testmode_decline
    transaction_not_allowed try_again_later withdrawal_count_limit_exceeded
    """.split()
)

# Why a card holder disputes.
DISPUTE_REASONS: tuple[str, ...] = tuple(
    """
    bank_cannot_process check_returned credit_not_processed customer_initiated
    debit_not_authorized duplicate fraudulent general incorrect_account_details
    insufficient_funds noncompliant product_not_received product_unacceptable
    subscription_canceled unrecognized
    """.split()
)

# Why a bank refuses a payout.
PAYOUT_FAILURE_CODES: tuple[str, ...] = tuple(
    """
    account_closed account_frozen bank_account_restricted bank_account_unusable
    bank_ownership_changed could_not_process debit_not_authorized declined expired_card
    incorrect_account_holder_address incorrect_account_holder_name
    incorrect_account_holder_tax_id incorrect_account_type insufficient_funds
    invalid_account_number invalid_card invalid_currency lost_or_stolen_card no_account
    unsupported_card unknown
    """.split()
)
